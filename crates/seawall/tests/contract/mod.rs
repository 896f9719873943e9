//! JSON against the schemas of the manual, in both directions: what is printed is allowed, and what is
//! printed is described.

use jsonschema::Validator;
use serde_json::{Value, json};
use std::path::Path;

/// A schema of the manual.
pub fn schema(name: &str) -> Value {
    let docs = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs"));
    let text = std::fs::read_to_string(docs.join(name)).expect("the schema is part of the project");
    serde_json::from_str(&text).expect("JSON")
}

/// What holds a schema of the manual, and properties that it does not name to be wrong.
pub fn closed(name: &str) -> Validator {
    let mut schema = schema(name);
    close(&mut schema);
    jsonschema::validator_for(&schema).expect("a valid schema")
}

/// Forbids properties that an object's schema does not name.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            let is_object_schema =
                map.get("properties").is_some_and(|p| p.is_object() && map.contains_key("required"));
            map.values_mut().for_each(close);
            if is_object_schema {
                map.insert("additionalProperties".into(), json!(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

pub fn assert_valid(validator: &Validator, name: &str, printed: &Value) {
    let errors: Vec<String> =
        validator.iter_errors(printed).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{name}: {}", errors.join("\n"));
}
