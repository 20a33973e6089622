//! Label selectors and field selectors: which objects a list, a watch or a delete is about.

use std::collections::{BTreeMap, BTreeSet};

use super::kind::Kind;
use super::name_rules::{label_value_faults, qualified_name_faults};
use super::status_body::Refusal;

/// The `labelSelector` and `fieldSelector` of one request, parsed.
#[derive(Debug, Clone, Default)]
pub struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<FieldRequirement>,
}

#[derive(Debug, Clone)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone)]
enum Test {
    Exists,
    Missing,
    In(BTreeSet<String>),
    /// Kubernetes' `!=` and `notin` are also met by an object without the label.
    NotIn(BTreeSet<String>),
    /// `>`: the label is a whole number above this one.
    Above(i64),
    /// `<`
    Below(i64),
}

#[derive(Debug, Clone)]
struct FieldRequirement {
    field: &'static str,
    value: String,
    equal: bool,
}

impl Selector {
    /// Parses both selectors; an empty text selects everything.
    ///
    /// # Errors
    /// 400 in the real server's words.
    pub fn parse<T: Kind>(labels: &str, fields: &str) -> Result<Self, Refusal> {
        Ok(Self {
            labels: Parser::new(labels).requirements()?,
            fields: parse_fields(T::FIELDS, fields)?,
        })
    }

    /// Does the selector hold for this object?
    #[must_use]
    pub fn matches<T: Kind>(&self, object: &T) -> bool {
        if self.labels.is_empty() && self.fields.is_empty() {
            return true;
        }
        let none = BTreeMap::new();
        let labels = object.metadata().labels.as_ref().unwrap_or(&none);
        self.labels.iter().all(|one| one.holds(labels))
            && self.fields.iter().all(|one| one.holds(object))
    }
}

impl Requirement {
    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        match &self.test {
            Test::Exists => value.is_some(),
            Test::Missing => value.is_none(),
            Test::In(values) => value.is_some_and(|value| values.contains(value)),
            Test::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            Test::Above(bound) => number(value).is_some_and(|number| number > *bound),
            Test::Below(bound) => number(value).is_some_and(|number| number < *bound),
        }
    }
}

fn number(value: Option<&String>) -> Option<i64> {
    value?.parse().ok()
}

impl FieldRequirement {
    fn holds<T: Kind>(&self, object: &T) -> bool {
        (object.field(self.field) == self.value) == self.equal
    }
}

fn parse_fields(
    known: &'static [&'static str],
    text: &str,
) -> Result<Vec<FieldRequirement>, Refusal> {
    text.split(',')
        .filter(|term| !term.is_empty())
        .map(|term| parse_field(known, text, term))
        .collect()
}

fn parse_field(
    known: &'static [&'static str],
    whole: &str,
    term: &str,
) -> Result<FieldRequirement, Refusal> {
    let (name, value, equal) = if let Some((name, value)) = term.split_once("!=") {
        (name, value, false)
    } else if let Some((name, value)) = term.split_once("==") {
        (name, value, true)
    } else if let Some((name, value)) = term.split_once('=') {
        (name, value, true)
    } else {
        let message = format!("invalid selector: '{whole}'; can't understand '{term}'");
        return Err(Refusal::bad_request(message));
    };
    let field = known
        .iter()
        .find(|one| **one == name)
        .ok_or_else(|| Refusal::bad_request(format!("field label not supported: {name}")))?;
    Ok(FieldRequirement {
        field,
        value: value.to_owned(),
        equal,
    })
}

/// A recursive descent over the grammar of apimachinery's `labels.Parse`.
struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    fn fault(what: &str) -> Refusal {
        Refusal::bad_request(format!("unable to parse requirement: {what}"))
    }

    /// The next token without taking it: an operator, or a run of other characters; empty at the end.
    fn peek(&self) -> &'a str {
        let rest = self.rest.trim_start();
        let operators = ["==", "!=", "=", "!", "(", ")", ",", "<", ">"];
        if let Some(found) = operators.iter().find(|one| rest.starts_with(**one)) {
            return &rest[..found.len()];
        }
        let end = rest.find(|c: char| c.is_whitespace() || "=!(),<>".contains(c));
        &rest[..end.unwrap_or(rest.len())]
    }

    fn next(&mut self) -> &'a str {
        let token = self.peek();
        self.rest = &self.rest.trim_start()[token.len()..];
        token
    }

    fn requirements(mut self) -> Result<Vec<Requirement>, Refusal> {
        let mut all = Vec::new();
        while !self.peek().is_empty() {
            all.push(self.requirement()?);
            match self.next() {
                "" => break,
                "," if self.peek().is_empty() => {
                    return Err(Refusal::bad_request(
                        "found '', expected: identifier after ','",
                    ));
                }
                "," => {}
                other => {
                    return Err(Self::fault(&format!(
                        "found '{other}', expected: ',' or 'end of string'"
                    )));
                }
            }
        }
        Ok(all)
    }

    fn identifier(&mut self) -> Result<String, Refusal> {
        let token = self.next();
        if token.is_empty() || "==!=()<>,".contains(token) {
            return Err(Self::fault(&format!(
                "found '{token}', expected: identifier"
            )));
        }
        Ok(token.to_owned())
    }

    fn requirement(&mut self) -> Result<Requirement, Refusal> {
        let negated = self.peek() == "!";
        if negated {
            self.next();
        }
        let key = self.identifier()?;
        if let Some(fault) = qualified_name_faults(&key).first() {
            return Err(Self::fault(&format!(
                "<nil>: Invalid value: {key:?}: {fault}"
            )));
        }
        let test = if negated {
            Test::Missing
        } else {
            self.test(&key)?
        };
        Ok(Requirement { key, test })
    }

    fn test(&mut self, key: &str) -> Result<Test, Refusal> {
        match self.peek() {
            "" | "," => Ok(Test::Exists),
            "=" | "==" => {
                self.next();
                Ok(Test::In(BTreeSet::from([self.value(key)?])))
            }
            "!=" => {
                self.next();
                Ok(Test::NotIn(BTreeSet::from([self.value(key)?])))
            }
            "in" => {
                self.next();
                Ok(Test::In(self.set(key)?))
            }
            "notin" => {
                self.next();
                Ok(Test::NotIn(self.set(key)?))
            }
            ">" => {
                self.next();
                Ok(Test::Above(self.bound()?))
            }
            "<" => {
                self.next();
                Ok(Test::Below(self.bound()?))
            }
            other => {
                let expected = "in, notin, =, ==, !=, gt, lt";
                Err(Self::fault(&format!(
                    "found '{other}', expected: {expected}"
                )))
            }
        }
    }

    /// A value after `=`: it may be empty (`a=` selects the empty value).
    fn value(&mut self, key: &str) -> Result<String, Refusal> {
        let value = match self.peek() {
            "" | "," | ")" => String::new(),
            _ => self.identifier()?,
        };
        match label_value_faults(&value).first() {
            None => Ok(value),
            Some(fault) => Err(Self::fault(&format!(
                "values[0][{key}]: Invalid value: {value:?}: {fault}"
            ))),
        }
    }

    /// A value after `>` or `<`.
    fn bound(&mut self) -> Result<i64, Refusal> {
        let value = self.identifier()?;
        value.parse().map_err(|_| {
            Self::fault(&format!(
                "values[0]: Invalid value: {value:?}: for 'Gt', 'Lt' operators, the value must be an integer"
            ))
        })
    }

    fn set(&mut self, key: &str) -> Result<BTreeSet<String>, Refusal> {
        let open = self.next();
        if open != "(" {
            return Err(Self::fault(&format!("found '{open}' expected: '('")));
        }
        let mut values = BTreeSet::new();
        loop {
            values.insert(self.value(key)?);
            match self.next() {
                ")" => return Ok(values),
                "," => {}
                other => {
                    return Err(Self::fault(&format!(
                        "found '{other}', expected: ',' or ')'"
                    )));
                }
            }
        }
    }
}
