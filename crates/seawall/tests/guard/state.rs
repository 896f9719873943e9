//! What the admin socket shows of a guard, by the schema of the manual.

use super::contract::{assert_valid, closed};
use super::guard::{Folder, Guard, eventually};
use super::names::name_server;
use super::orders::{attacked, site};
use serde_json::{Value, json};

fn state(guard: &Guard) -> Value {
    serde_json::from_str(&guard.ask("GET", "/v1/state", "")).expect("JSON")
}

#[test]
fn the_state_keeps_to_its_schema() {
    let folder = Folder::new("state");
    let validator = closed("guard.schema.json");
    let path = folder.path().join("seawall.toml");
    let text = format!(
        "[[site]]\nlisten = \"127.0.0.1:0\"\nupstreams = [\"http://{0}\"]\n\
         [[check]]\nkind = \"tcp\"\naddress = \"{0}\"\n\
         [[dns]]\nlisten = [\"127.0.0.1:0\"]\nservers = [\"{1}\"]\n",
        site(),
        name_server(1)
    );
    std::fs::write(&path, text).expect("written");
    let guard = Guard::with(&folder, &["--config", path.to_str().expect("plain")]);
    let calm = eventually("all is shown", || {
        let state = state(&guard);
        let has = |name: &str| state[name].as_array().is_some_and(|all| !all.is_empty());
        (has("upstreams") && has("checks") && has("dns")).then_some(state)
    });
    assert_valid(&validator, "a calm guard", &calm);
    for (name, wrong) in
        [("schema", json!("seawall.guard/2")), ("measures", json!(-1)), ("mode", json!("off"))]
    {
        let mut broken = calm.clone();
        broken[name] = wrong;
        assert!(!validator.is_valid(&broken), "{name}");
    }
}

#[test]
fn who_asks_while_the_guard_starts_is_answered_whole() {
    let folder = Folder::new("state-at-once");
    let guard = Guard::start(&folder, &format!("http://{}", site()), &[]);
    for (path, shown) in [
        ("/v1/state", "upstreams"),
        ("/v1/plan", "outcomes"),
        ("/v1/incidents", "incidents"),
        ("/v1/protected", "protected"),
    ] {
        let answer: Value = serde_json::from_str(&guard.ask("GET", path, "")).expect(path);
        assert!(answer[shown].is_array(), "{path}: {answer}");
    }
}

#[test]
fn the_state_under_attack_keeps_to_its_schema() {
    let folder = Folder::new("state-attacked");
    let guard = attacked(&folder);
    let state = eventually("a verdict", || Some(state(&guard)).filter(|s| !s["verdict"].is_null()));
    assert_valid(&closed("guard.schema.json"), "an attacked guard", &state);
}
