//! What goes over the wire, and what comes of what comes back.

mod accounts;
mod answers;
mod gate;
mod pages;
mod recorder;
mod replay;
mod requests;
mod script;
