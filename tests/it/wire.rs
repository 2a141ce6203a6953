//! What goes over the wire, and what comes of what comes back.

mod accounts;
mod answers;
mod pages;
mod recorder;
mod requests;
