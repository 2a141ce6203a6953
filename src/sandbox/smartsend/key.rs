//! Writes, and the keys that make them repeatable for 24 hours.
//!
//! Documented: the same key and payload give the first answer again, another payload 422, a key whose request still
//! runs 409; keys are the team's own, and POST and DELETE take them. Inferred: another path is another payload, and
//! payloads are compared byte by byte; success and 422 are kept, and any other answer frees the key.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use axum::{
    body::{Bytes, to_bytes},
    extract::Request,
    http::{HeaderMap, request::Parts},
    response::{IntoResponse, Response},
};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::{Answer, Errors, Team, Verdict, legal};
use crate::sandbox::{World, lock};

/// How long an answer is kept, as documented.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// The keys of one team.
#[derive(Default)]
pub(super) struct Keys(HashMap<String, Use>);

/// What became of a key.
enum Use {
    /// Its request runs, as long as that holds the other end: a caller who hangs up must not block the key for good.
    Running(Weak<()>),
    Answered(Kept),
}

#[derive(Clone)]
struct Kept {
    since: Timestamp,
    fingerprint: [u8; 32],
    status: u16,
    /// As text: a tree takes ten times as much, and a large wave leaves many.
    body: Arc<str>,
}

/// What the head of a request entitles it to.
enum Turn {
    Unkeyed,
    First { key: String, running: Arc<()> },
    Busy,
    Again(Kept),
}

/// A write's request, whole.
pub(super) struct Call {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Does the work of a write, or repeats the answer that its key has had.
///
/// A key is taken when the head of the request has come in and given back with the answer, so a duplicate is told to
/// wait while the first one's body is on its way, and for as long as the sandbox's latency makes the work last.
pub(super) async fn write(
    world: &World,
    team: &str,
    request: Request,
    work: impl FnOnce(&mut Team, &Call) -> Verdict + Send,
) -> Response {
    let (head, body) = request.into_parts();
    let turn = match turn(world, team, &head.headers) {
        Ok(turn) => turn,
        Err(refusal) => return refusal.into_response(),
    };
    if let Turn::Busy = turn {
        let busy = Answer::problem(409, "A request with this idempotency key is still being processed.");
        return ([("retry-after", "1")], busy).into_response();
    }
    // No limit: none is documented, and batches are large.
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return Answer::problem(422, "The request body broke off.").into_response();
    };
    let fingerprint = fingerprint(&head, &body);
    if let Turn::Again(kept) = turn {
        return kept.repeat(fingerprint);
    }
    let call = Call { headers: head.headers, body };
    tokio::time::sleep(world.settings.latency).await;
    let answer = {
        let mut state = lock(&world.smartsend);
        let team = state.team(team);
        let answer = work(team, &call).unwrap_or_else(|refusal| refusal);
        if let Turn::First { key, running } = turn {
            team.keys.settle(key, fingerprint, &answer);
            drop(running);
        }
        answer
    };
    answer.into_response()
}

fn turn(world: &World, team: &str, headers: &HeaderMap) -> Result<Turn, Answer> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(Turn::Unkeyed);
    };
    match key.to_str() {
        Ok(key) if legal(key.as_bytes(), 16..=128) => Ok(lock(&world.smartsend).team(team).keys.take(key)),
        _ => Err(Errors::one("Idempotency-Key", "must be 16 to 128 letters, digits, dots, dashes or underscores")),
    }
}

/// What must be the same when a key comes again.
fn fingerprint(head: &Parts, body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    // Neither a method nor a path holds a line break, so no two requests run together.
    hash.update(format!("{}\n{}\n", head.method, head.uri.path()));
    hash.update(body);
    hash.finalize().into()
}

impl Keys {
    fn take(&mut self, key: &str) -> Turn {
        match self.0.get(key) {
            Some(Use::Running(request)) if request.strong_count() > 0 => Turn::Busy,
            Some(Use::Answered(kept)) if kept.fresh() => Turn::Again(kept.clone()),
            _ => {
                let running = Arc::new(());
                self.0.insert(key.to_owned(), Use::Running(Arc::downgrade(&running)));
                Turn::First { key: key.to_owned(), running }
            }
        }
    }

    fn settle(&mut self, key: String, fingerprint: [u8; 32], answer: &Answer) {
        if matches!(answer.status, 200..300 | 422) {
            let body = answer.body.to_string().into();
            let kept = Kept { since: Timestamp::now(), fingerprint, status: answer.status, body };
            self.0.insert(key, Use::Answered(kept));
        } else {
            self.0.remove(&key);
        }
    }
}

impl Kept {
    fn fresh(&self) -> bool {
        Timestamp::now().duration_since(self.since) < KEPT
    }

    fn repeat(self, fingerprint: [u8; 32]) -> Response {
        if self.fingerprint == fingerprint {
            let body = serde_json::from_str(&self.body).unwrap_or_default();
            ([("idempotency-replayed", "true")], Answer { status: self.status, body }).into_response()
        } else {
            Errors::one("Idempotency-Key", "was used before for another request").into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use reqwest::{Method, RequestBuilder};
    use serde_json::{Value, json};

    use super::*;
    use crate::sandbox::smartsend::tests::{Api, Reply, order, refused, send};

    const KEY: &str = "order-4521_0123456789abcdef";

    fn keyed(api: &Api, path: &str, key: &str) -> RequestBuilder {
        api.call(Method::POST, path).header("Idempotency-Key", key)
    }

    async fn create(api: &Api, key: &str, order: &Value) -> Reply {
        send(keyed(api, "shipments", key).json(order)).await
    }

    fn replayed(reply: &Reply) -> bool {
        reply.headers.get("idempotency-replayed").is_some_and(|value| value == "true")
    }

    /// A creation whose body stays away until the other end sends it.
    fn hanging(api: &Api) -> (tokio::sync::oneshot::Sender<Vec<u8>>, RequestBuilder) {
        let (sender, body) = tokio::sync::oneshot::channel::<Vec<u8>>();
        let body = reqwest::Body::wrap_stream(futures_util::stream::once(body));
        (sender, keyed(api, "shipments", KEY).body(body))
    }

    async fn until(mut done: impl FnMut() -> bool) {
        while !done() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn running(api: &Api) -> bool {
        let mut state = lock(&api.sandbox.world.smartsend);
        matches!(state.team(api.team).keys.0.get(KEY), Some(Use::Running(request)) if request.strong_count() > 0)
    }

    #[tokio::test]
    async fn a_key_repeats_its_answer() {
        let api = Api::start().await;
        let first = create(&api, KEY, &order("A")).await;
        let again = create(&api, KEY, &order("A")).await;
        assert_eq!((first.status, replayed(&first)), (201, false));
        assert_eq!((again.status, replayed(&again)), (201, true));
        assert_eq!(first.body, again.body);
        assert_eq!(api.get("shipments").await.body["meta"]["total"], 1);
    }

    #[tokio::test]
    async fn a_key_belongs_to_one_payload_path_and_team() {
        let mut api = Api::start().await;
        create(&api, KEY, &order("A")).await;
        assert_eq!(create(&api, KEY, &order("B")).await.complaints(), ["Idempotency-Key"]);

        let [first, second] = [api.create(&order("C")).await, api.create(&order("D")).await];
        let book = |shipment| send(keyed(&api, &format!("shipments/{shipment}/booking"), "a-key-to-book-with"));
        assert_eq!(book(first).await.status, 200);
        // The payload is the same: none.
        let reply = book(second).await;
        assert_eq!((reply.complaints(), replayed(&reply)), (vec!["Idempotency-Key"], false));
        assert_eq!(api.charged(), ["C"]);

        assert_eq!(create(&api, &KEY.to_uppercase(), &order("B")).await.status, 201);
        api.team = "team-8";
        assert_eq!(create(&api, KEY, &order("B")).await.status, 201);
    }

    #[tokio::test]
    async fn keys_are_checked() {
        let api = Api::start().await;
        for bad in ["x".repeat(15), "x".repeat(129), format!("{KEY}/"), format!("{KEY} b")] {
            assert_eq!(create(&api, &bad, &order("A")).await.complaints(), ["Idempotency-Key"], "{bad}");
        }
        for good in ["y".repeat(16), "y".repeat(128)] {
            assert_eq!(create(&api, &good, &order("A")).await.status, 201);
        }
    }

    #[tokio::test]
    async fn booking_again_under_the_same_key_charges_once() {
        let api = Api::start().await;
        let path = format!("shipments/{}/booking", api.create(&order("A")).await);
        let calls: Vec<_> = (0..8).map(|_| send(keyed(&api, &path, KEY))).collect();
        let replies = futures_util::future::join_all(calls).await;
        assert!(replies.iter().all(|reply| matches!(reply.status, 200 | 409)), "{replies:?}");
        assert_eq!(replies.iter().filter(|reply| reply.status == 200 && !replayed(reply)).count(), 1);
        assert_eq!(api.charged(), ["A"]);
    }

    #[tokio::test]
    async fn refusals_are_kept_and_404_is_not() {
        let api = Api::start().await;
        let shipment = api.create(&refused("A")).await;
        let path = format!("shipments/{shipment}/booking");
        assert_eq!(send(keyed(&api, &path, KEY)).await.status, 422);
        let again = send(keyed(&api, &path, KEY)).await;
        assert_eq!((again.status, replayed(&again)), (422, true));
        assert_eq!(again.body["message"], "The carrier refused the address.");

        let other = "another-key-of-this-test";
        assert_eq!(send(keyed(&api, "shipments/none/booking", other)).await.status, 404);
        assert_eq!(create(&api, other, &order("B")).await.status, 201);
    }

    #[tokio::test]
    async fn a_delete_can_be_repeated_by_its_key() {
        let api = Api::start().await;
        let path = format!("shipments/{}", api.create(&order("A")).await);
        let delete = || send(api.call(Method::DELETE, &path).header("Idempotency-Key", KEY));
        assert_eq!(delete().await.status, 200);
        let again = delete().await;
        assert_eq!((again.status, replayed(&again)), (200, true));
        assert_eq!(api.delete(&path).await.status, 404);
    }

    #[tokio::test]
    async fn a_key_in_use_must_be_waited_for() {
        let api = Api::start().await;
        let (body, first) = hanging(&api);
        let first = tokio::spawn(send(first));
        until(|| running(&api)).await;

        let duplicate = create(&api, KEY, &order("A")).await;
        assert_eq!((duplicate.status, &duplicate.headers["retry-after"]), (409, &"1".parse().unwrap()));
        assert!(duplicate.body["message"].is_string());

        body.send(serde_json::to_vec(&order("A")).unwrap()).unwrap();
        assert_eq!(first.await.unwrap().status, 201);
        let again = create(&api, KEY, &order("A")).await;
        assert_eq!((again.status, replayed(&again)), (201, true));
    }

    #[tokio::test]
    async fn a_caller_who_hangs_up_frees_the_key() {
        let api = Api::start().await;
        let (_body, first) = hanging(&api);
        let first = tokio::spawn(send(first));
        until(|| running(&api)).await;
        first.abort();
        until(|| !running(&api)).await;
        let reply = create(&api, KEY, &order("A")).await;
        assert_eq!((reply.status, replayed(&reply)), (201, false));
    }

    #[tokio::test]
    async fn a_key_is_forgotten_after_a_day() {
        let api = Api::start().await;
        let age = |hours| {
            let mut state = lock(&api.sandbox.world.smartsend);
            if let Some(Use::Answered(kept)) = state.team(api.team).keys.0.get_mut(KEY) {
                kept.since = Timestamp::now() - SignedDuration::from_hours(hours);
            }
        };
        create(&api, KEY, &order("A")).await;
        age(23);
        assert!(replayed(&create(&api, KEY, &order("A")).await));
        age(24);
        assert!(!replayed(&create(&api, KEY, &json!(order("B"))).await));
        assert_eq!(api.get("shipments").await.body["meta"]["total"], 2);
    }
}
