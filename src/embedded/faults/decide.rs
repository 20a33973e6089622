//! Which rule strikes which request. No generator is shared: each decision is a hash of the seed, the rule, who asks for
//! what, and for the how manieth time, so that requests that come at once do not change each other's fate.

use std::collections::HashMap;
use std::time::Duration;

use super::asked::Asked;
use super::fault::{Fault, Place};
use super::rule::Rule;

/// What happens to one request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Plan {
    /// How late it arrives.
    pub latency: Duration,
    /// What happens then.
    pub fault: Option<Fault>,
}

/// The rules, and how often each has matched.
#[derive(Debug, Default)]
pub struct Decider {
    seed: u64,
    rules: Vec<Counted>,
    /// How often each thing was asked for.
    asked: HashMap<String, u64>,
}

#[derive(Debug)]
struct Counted {
    rule: Rule,
    matched: u64,
    struck: u64,
}

impl Decider {
    pub fn add(&mut self, rule: Rule) {
        self.rules.push(Counted {
            rule,
            matched: 0,
            struck: 0,
        });
    }

    pub fn clear(&mut self) {
        self.rules.clear();
    }

    pub fn restart(&mut self, seed: u64) {
        self.seed = seed;
        self.asked.clear();
        for counted in &mut self.rules {
            counted.matched = 0;
            counted.struck = 0;
        }
    }

    pub fn has_line_rules(&self) -> bool {
        let on_events = |counted: &Counted| counted.rule.fault.place() == Place::Event;
        self.rules.iter().any(on_events)
    }

    /// What happens to a request, and the how manieth of its kind it is. One that was not admitted (without a token)
    /// meets only what happens to connections.
    pub fn request(&mut self, asked: &Asked, admitted: bool) -> (Plan, u64) {
        let identity = asked.to_string();
        let count = self.count(&identity);
        let mut plan = Plan::default();
        for (index, counted) in self.rules.iter_mut().enumerate() {
            let fault = counted.rule.fault;
            let place = fault.place();
            let is_open = match place {
                Place::Event => false,
                Place::Way => admitted,
                Place::Connection => plan.fault.is_none(),
                Place::Answer => admitted && plan.fault.is_none(),
            };
            let strikes = is_open
                && counted.rule.matches(asked)
                && counted.strikes(|| roll(self.seed, index, &identity, count));
            match fault {
                _ if !strikes => {}
                Fault::Latency(latency) => plan.latency += latency,
                other => plan.fault = Some(other),
            }
        }
        (plan, count)
    }

    /// What happens to an event of a watch.
    pub fn line(&mut self, watch: &Asked, word: &str, namespace: &str, name: &str) -> Vec<Fault> {
        let identity = format!("{watch}: {word} {namespace}/{name}");
        let count = self.count(&identity);
        let mut faults = Vec::new();
        for (index, counted) in self.rules.iter_mut().enumerate() {
            let strikes = counted.rule.fault.place() == Place::Event
                && counted.rule.matches_line(watch, word, namespace, name)
                && counted.strikes(|| roll(self.seed, index, &identity, count));
            if strikes {
                faults.push(counted.rule.fault);
            }
        }
        faults
    }

    fn count(&mut self, identity: &str) -> u64 {
        if let Some(count) = self.asked.get_mut(identity) {
            *count += 1;
            return *count;
        }
        self.asked.insert(identity.to_owned(), 1);
        1
    }
}

impl Counted {
    fn strikes(&mut self, roll: impl FnOnce() -> f64) -> bool {
        self.matched += 1;
        let is_due = self.matched > self.rule.skip
            && self.rule.times.is_none_or(|times| self.struck < times);
        let strikes = is_due && (self.rule.chance >= 1.0 || roll() < self.rule.chance);
        self.struck += u64::from(strikes);
        strikes
    }
}

/// A number from 0 up to 1 that looks like chance and is not: FNV-1a over who asks, stirred by `SplitMix64`'s end.
fn roll(seed: u64, rule: usize, identity: &str, count: u64) -> f64 {
    let bytes = seed
        .to_le_bytes()
        .into_iter()
        .chain((rule as u64).to_le_bytes())
        .chain(count.to_le_bytes())
        .chain(identity.bytes());
    let mut hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^= hash >> 31;
    // The upper 32 bits are exact in a float.
    f64::from(u32::try_from(hash >> 32).unwrap_or(u32::MAX)) / 4_294_967_296.0
}
