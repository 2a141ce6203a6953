//! Where documents are read from: files, and the revisions of a git repository.

use std::{fs, process::Command};

use super::super::{between, document::read};
use crate::root;

/// A git repository with one curated spec, which can be edited on a branch.
struct Repository(tempfile::TempDir);

impl Repository {
    const SPEC: &str = "openapi/smartsend.yaml";

    fn new() -> Self {
        let here = Self(tempfile::tempdir().unwrap());
        fs::create_dir(here.0.path().join("openapi")).unwrap();
        fs::copy(root().join(Self::SPEC), here.0.path().join(Self::SPEC)).unwrap();
        here.git(&["init", "--quiet", "--initial-branch=main"]);
        here.commit();
        here
    }

    fn git(&self, arguments: &[&str]) {
        let mut git = Command::new("git");
        git.current_dir(self.0.path()).env("GIT_CONFIG_GLOBAL", "").env_remove("GIT_DIR");
        for person in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{person}_NAME"), "t").env(format!("GIT_{person}_EMAIL"), "t@example.com");
        }
        assert!(git.args(arguments).status().unwrap().success(), "{arguments:?}");
    }

    fn commit(&self) {
        self.git(&["add", "."]);
        self.git(&["commit", "--quiet", "--message=spec"]);
    }

    /// What `diff` tells of a branch with one edit.
    fn branch(&self, name: &str, from: &str, to: &str) -> String {
        let spec = self.0.path().join(Self::SPEC);
        self.git(&["checkout", "--quiet", "-b", name, "main"]);
        let text = fs::read_to_string(&spec).unwrap();
        assert_eq!(text.matches(from).count(), 1, "{from}");
        fs::write(&spec, text.replace(from, to)).unwrap();
        self.commit();
        let [old, new] = ["main", name].map(|branch| format!("{branch}:{}", Self::SPEC));
        between(self.0.path(), &old, &new).unwrap().text()
    }
}

#[test]
fn each_kind_of_change_on_a_branch_is_told_apart() {
    let repository = Repository::new();
    insta::assert_snapshot!(repository.branch("renamed", "carrier_logo_url: {", "carrier_logo: {"), @r"
    schema Delivery
      breaking  carrier_logo_url: renamed? carrier_logo_url -> carrier_logo  [smartsend::types::Delivery.carrier_logo_url]

    1 breaking, 0 additions, 0 notes
    ");
    insta::assert_snapshot!(repository.branch("removed", "'open', 'queued', 'booked'", "'open', 'booked'"), @r#"
    schema ShipmentState
      breaking  member "queued" removed  [smartsend::types::ShipmentState::Queued]

    1 breaking, 0 additions, 0 notes
    "#);
    insta::assert_snapshot!(repository.branch(
        "required",
        "A postal address.\n      type: object\n      x-source: document\n",
        "A postal address.\n      type: object\n      x-source: document\n      required: [city]\n",
    ), @r"
    schema Address
      breaking  city: required now: Option<String> -> String  [smartsend::types::Address.city]

    1 breaking, 0 additions, 0 notes
    ");
    insta::assert_snapshot!(repository.branch("hours", "for 24 hours", "for 12 hours"), @r#"
    5 operations
      note      header Idempotency-Key: description "for 24 hours." -> "for 12 hours."  [smartsend::raw::Client::{add_shipments_to_booking_batch, book_shipment, create_booking_batch, create_shipment, dispatch_booking_batch}]

    0 breaking, 0 additions, 1 note
    "#);
    let operation = "
  /team/{team}/balance:
    get:
      operationId: get_balance
      x-replay: safe
      x-source: page
      parameters: [{$ref: '#/components/parameters/Team'}]
      responses:
        '200': {description: The balance.}

components:
  securitySchemes:";
    insta::assert_snapshot!(repository.branch("operation", "\ncomponents:\n  securitySchemes:", operation), @r"
    operation get_balance
      addition  added: GET /team/{team}/balance  [smartsend::raw::Client::get_balance]

    0 breaking, 1 addition, 0 notes
    ");
}

#[test]
fn what_cannot_be_read_is_named_in_one_line() {
    let folder = Repository::new();
    let error = |source: &str| read(folder.0.path(), source).err().unwrap_or_default();
    for (name, text) in [
        ("old.json", r#"{"swagger": "2.0"}"#),
        ("broken.yaml", "openapi: 3.0.3\npaths: {"),
        ("type.yaml", "openapi: 3.0.3\ninfo: {title: t, version: 1.0}\npaths: {/a: {get: {responses: 7}}}"),
        ("newer.yaml", "openapi: 3.1.0\ninfo: {title: t}\npaths: {}"),
    ] {
        fs::write(folder.0.path().join(name), text).unwrap();
    }
    let sources =
        ["no.yaml", "main:no.yaml", "no:openapi/smartsend.yaml", "old.json", "broken.yaml", "type.yaml", "newer.yaml"];
    insta::assert_snapshot!(sources.map(error).join("\n"), @r"
    no.yaml: No such file or directory (os error 2)
    main:no.yaml: git: fatal: path 'no.yaml' does not exist in 'main'
    no:openapi/smartsend.yaml: git: fatal: invalid object name 'no'.
    old.json: its `openapi` is neither 3.0 nor 3.1, but null
    broken.yaml: error: line 2 column 8: unclosed bracket '{'
    type.yaml: paths: invalid type: integer `7`, expected struct Responses
    newer.yaml: info: missing field `version`
    ");
}
