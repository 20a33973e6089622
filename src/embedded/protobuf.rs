//! Bodies in protobuf, as kubectl sends them for a few kinds whatever the server says it takes.
//!
//! `kubectl create namespace`, `kubectl auth can-i` and `kubectl drain` do so. The numbers of the fields are those
//! of Kubernetes' `generated.proto` files; fields that no client of this server sets are passed over.

use serde_json::{Map, Value, json};

/// Every such body begins so; an `Unknown` message with the kind and the object's bytes follows.
const MAGIC: &[u8] = b"k8s\0";

/// How a field is written.
enum Shape {
    Text,
    Texts,
    Integer,
    Flag,
    Entries,
    Inner(Message),
}

type Message = &'static [(u64, &'static str, Shape)];

const METADATA: Message = &[
    (1, "name", Shape::Text),
    (2, "generateName", Shape::Text),
    (3, "namespace", Shape::Text),
    (5, "uid", Shape::Text),
    (6, "resourceVersion", Shape::Text),
    (11, "labels", Shape::Entries),
    (12, "annotations", Shape::Entries),
    (14, "finalizers", Shape::Texts),
];
const NAMESPACE: Message = &[(1, "metadata", Shape::Inner(METADATA))];
const DELETE_OPTIONS: Message = &[
    (1, "gracePeriodSeconds", Shape::Integer),
    (2, "preconditions", Shape::Inner(PRECONDITIONS)),
    (3, "orphanDependents", Shape::Flag),
    (4, "propagationPolicy", Shape::Text),
    (5, "dryRun", Shape::Texts),
];
const PRECONDITIONS: Message = &[(1, "uid", Shape::Text), (2, "resourceVersion", Shape::Text)];
const EVICTION: Message = &[
    (1, "metadata", Shape::Inner(METADATA)),
    (2, "deleteOptions", Shape::Inner(DELETE_OPTIONS)),
];
const ACCESS: Message = &[
    (1, "metadata", Shape::Inner(METADATA)),
    (2, "spec", Shape::Inner(ACCESS_SPEC)),
];
const ACCESS_SPEC: Message = &[
    (1, "resourceAttributes", Shape::Inner(RESOURCE_ATTRIBUTES)),
    (2, "nonResourceAttributes", Shape::Inner(PATH_ATTRIBUTES)),
];
const RESOURCE_ATTRIBUTES: Message = &[
    (1, "namespace", Shape::Text),
    (2, "verb", Shape::Text),
    (3, "group", Shape::Text),
    (4, "version", Shape::Text),
    (5, "resource", Shape::Text),
    (6, "subresource", Shape::Text),
    (7, "name", Shape::Text),
];
const PATH_ATTRIBUTES: Message = &[(1, "path", Shape::Text), (2, "verb", Shape::Text)];
const RULES: Message = &[(2, "spec", Shape::Inner(&[(1, "namespace", Shape::Text)]))];

/// The kinds that are read.
const KINDS: &[(&str, &str, Message)] = &[
    ("v1", "Namespace", NAMESPACE),
    ("v1", "DeleteOptions", DELETE_OPTIONS),
    ("policy/v1", "Eviction", EVICTION),
    ("authorization.k8s.io/v1", "SelfSubjectAccessReview", ACCESS),
    ("authorization.k8s.io/v1", "SelfSubjectRulesReview", RULES),
];

/// The body as JSON; `None` when it is broken, or of a kind that is not read.
#[must_use]
pub fn as_json(body: &[u8]) -> Option<Value> {
    let (mut version, mut kind, mut object) = (String::new(), String::new(), &[][..]);
    for field in Fields(body.strip_prefix(MAGIC)?) {
        match field? {
            (1, Part::Bytes(type_meta)) => {
                for field in Fields(type_meta) {
                    match field? {
                        (1, Part::Bytes(text)) => version = string(text)?,
                        (2, Part::Bytes(text)) => kind = string(text)?,
                        _ => {}
                    }
                }
            }
            (2, Part::Bytes(raw)) => object = raw,
            _ => {}
        }
    }
    let known = |one: &&(&str, &str, Message)| one.0 == version && one.1 == kind;
    let (_, _, message) = KINDS.iter().find(known)?;
    let mut fields = read(message, object)?;
    fields.insert("apiVersion".to_owned(), json!(version));
    fields.insert("kind".to_owned(), json!(kind));
    Some(Value::Object(fields))
}

fn read(message: Message, bytes: &[u8]) -> Option<Map<String, Value>> {
    let mut all = Map::new();
    for field in Fields(bytes) {
        let (number, part) = field?;
        let Some((_, name, shape)) = message.iter().find(|one| one.0 == number) else {
            continue;
        };
        let place = all.entry(*name).or_insert(Value::Null);
        match (shape, part) {
            (Shape::Text, Part::Bytes(text)) => *place = json!(string(text)?),
            (Shape::Texts, Part::Bytes(text)) => match place {
                Value::Array(list) => list.push(json!(string(text)?)),
                other => *other = json!([string(text)?]),
            },
            (Shape::Integer, Part::Number(number)) => *place = json!(number.cast_signed()),
            (Shape::Flag, Part::Number(number)) => *place = json!(number != 0),
            (Shape::Inner(message), Part::Bytes(bytes)) => {
                *place = Value::Object(read(message, bytes)?);
            }
            (Shape::Entries, Part::Bytes(bytes)) => {
                let entry = read(&[(1, "key", Shape::Text), (2, "value", Shape::Text)], bytes)?;
                let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
                place[text("key")] = json!(text("value"));
            }
            _ => return None,
        }
    }
    // Go's writer also writes what is not set.
    all.retain(|_, value| value != "");
    Some(all)
}

fn string(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

/// The value of a field as it stands on the wire.
enum Part<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Fixed,
}

/// The fields of a message in their order; `None` as an item when the bytes are broken, and then the end.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    fn field(&mut self) -> Option<(u64, Part<'a>)> {
        let tag = self.number()?;
        let part = match tag & 7 {
            0 => Part::Number(self.number()?),
            1 => self.take(8).map(|_| Part::Fixed)?,
            2 => {
                let length = self.number()?;
                Part::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Part::Fixed)?,
            _ => return None,
        };
        Some((tag >> 3, part))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Option<(u64, Part<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field)
    }
}
