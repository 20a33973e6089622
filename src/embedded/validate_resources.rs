//! The rules for what a container asks for and is limited to.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Container;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::status_body::invalid;
use super::validate::Causes;

/// Checks the quantities of one container: none is negative, and no request is above its limit.
pub fn check_resources(path: &str, container: &Container, causes: &mut Causes) {
    let none = BTreeMap::new();
    let resources = container.resources.clone().unwrap_or_default();
    let limits = resources.limits.as_ref().unwrap_or(&none);
    let requests = resources.requests.as_ref().unwrap_or(&none);
    for (list, all) in [("limits", limits), ("requests", requests)] {
        for (name, quantity) in all {
            if quantity.0.starts_with('-') && value(quantity) != 0.0 {
                let field = format!("{path}.resources.{list}[{name}]");
                let why = "must be greater than or equal to 0";
                causes.push(invalid(field, &quantity.0, why));
            }
            let limit = limits.get(name).filter(|_| list == "requests");
            if let Some(limit) = limit.filter(|limit| value(quantity) > value(limit)) {
                let why = format!("must be less than or equal to {name} limit of {}", limit.0);
                let field = format!("{path}.resources.requests");
                causes.push(invalid(field, &quantity.0, &why));
            }
        }
    }
}

/// The size of a quantity whose form was checked, near enough to compare two.
fn value(quantity: &Quantity) -> f64 {
    let end = quantity
        .0
        .find(|letter: char| !letter.is_ascii_digit() && !matches!(letter, '.' | '+' | '-'));
    let (number, suffix) = quantity.0.split_at(end.unwrap_or(quantity.0.len()));
    let factor = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024_f64,
        "Mi" => 1024_f64.powi(2),
        "Gi" => 1024_f64.powi(3),
        "Ti" => 1024_f64.powi(4),
        "Pi" => 1024_f64.powi(5),
        "Ei" => 1024_f64.powi(6),
        // `2e3`: what is left is a number for Rust too.
        _ => return quantity.0.parse().unwrap_or(0.0),
    };
    number.parse::<f64>().unwrap_or(0.0) * factor
}
