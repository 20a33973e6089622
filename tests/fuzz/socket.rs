//! Whatever is said to the socket, the server goes on: no panic, no hang, and what it answers is HTTP.

use std::sync::OnceLock;

use kubegrader::embedded::Limits;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::Config;
use tokio::io::AsyncWriteExt;
use tokio::runtime::Runtime;

use crate::asked::{Asked, alive, asked, fault_of, panics, valid_pod, watch_over};
use crate::support::create;
use crate::support::raw::{Raw, Said};

/// One server for all cases: what one leaves behind must not harm the next.
fn server() -> &'static (Runtime, Raw) {
    static SERVER: OnceLock<(Runtime, Raw)> = OnceLock::new();
    SERVER.get_or_init(|| {
        watch_over();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let raw = runtime.block_on(async {
            let raw = Raw::start(Limits::default()).await;
            create(&raw.cluster.router(), &valid_pod("a")).await;
            raw
        });
        (runtime, raw)
    })
}

#[derive(Debug, Clone)]
enum Change {
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Flip(Index, u8),
    Double(Index, usize),
    Cut(Index),
}

fn change() -> impl Strategy<Value = Change> {
    let words = select(vec![
        &b"\r\n"[..],
        b"\r\n\r\n",
        b"\n",
        b"\0",
        b" ",
        b":",
        b"HTTP/1.0",
        b"HTTP/9.9",
        b"\xff\xfe",
        b"chunked",
        b"transfer-encoding: chunked\r\n",
        b"content-length: 18446744073709551615\r\n",
        b"content-length: -1\r\n",
        b"content-length: 0\r\n",
        b"expect: 100-continue\r\n",
        b"upgrade: websocket\r\nconnection: upgrade\r\n",
        b"connection: keep-alive\r\n",
        b"host: a\r\nhost: b\r\n",
        b"ffffffffffffffff\r\n",
        b"0\r\n\r\n",
        b"%00",
        b"?watch=1",
    ])
    .prop_map(<[u8]>::to_vec);
    let inserted = prop_oneof![words, vec(any::<u8>(), 1..20)];
    prop_oneof![
        3 => (any::<Index>(), inserted).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        2 => (any::<Index>(), 1..40_usize).prop_map(|(at, len)| Change::Remove(at, len)),
        2 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Flip(at, byte)),
        1 => (any::<Index>(), 1..200_usize).prop_map(|(at, len)| Change::Double(at, len)),
        1 => any::<Index>().prop_map(Change::Cut),
    ]
}

fn changed(mut bytes: Vec<u8>, changes: Vec<Change>) -> Vec<u8> {
    for change in changes {
        let place = |index: Index, bytes: &[u8]| index.index(bytes.len() + 1);
        match change {
            Change::Insert(at, new) => {
                let at = place(at, &bytes);
                bytes.splice(at..at, new);
            }
            Change::Remove(at, len) => {
                let at = place(at, &bytes);
                bytes.drain(at..bytes.len().min(at + len));
            }
            Change::Flip(at, byte) => {
                let at = place(at, &bytes);
                if let Some(old) = bytes.get_mut(at) {
                    *old = byte;
                }
            }
            Change::Double(at, len) => {
                let at = place(at, &bytes);
                let part = bytes[at..bytes.len().min(at + len)].to_vec();
                bytes.splice(at..at, part);
            }
            Change::Cut(at) => bytes.truncate(place(at, &bytes)),
        }
    }
    bytes
}

/// A request as it goes over the wire, with the token.
fn wire(asked: &Asked, token: &str) -> Vec<u8> {
    let mut head = format!(
        "{} {} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\ncontent-length: {}\r\n",
        asked.method,
        asked.target(),
        asked.body.len(),
    );
    for (name, value) in &asked.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    [head.as_bytes(), &asked.body].concat()
}

/// What is wrong after something was said: with the answer, with a panic, or with a server that answers no more.
async fn fault(raw: &Raw, said: &Said) -> Option<String> {
    alive();
    let text = String::from_utf8_lossy(&said.bytes);
    if !said.bytes.is_empty() && said.code.is_none() {
        return Some(format!("no HTTP: {text:?}"));
    }
    if !panics().is_empty() {
        return Some(format!("{:#?}", panics()));
    }
    let answer = raw.ask(&raw.request("GET /version", "")).await;
    (answer.code != Some(200)).then(|| format!("then /version: {:?}", answer.code))
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::with_cases(100) })]

    #[test]
    fn bytes_that_are_nearly_a_request(asked in asked(), changes in vec(change(), 1..6)) {
        let (runtime, raw) = server();
        let bytes = changed(wire(&asked, &raw.token), changes);
        let fault = runtime.block_on(async { fault(raw, &raw.say(&bytes).await).await });
        prop_assert!(fault.is_none(), "{}\n{:?}", fault.unwrap_or_default(), String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn bytes_that_are_nothing(bytes in vec(any::<u8>(), 0..400), in_tls in any::<bool>()) {
        let (runtime, raw) = server();
        let fault = runtime.block_on(async {
            if in_tls {
                return fault(raw, &raw.say(&bytes).await).await;
            }
            let stream = tokio::net::TcpStream::connect(&raw.address).await;
            let _ = stream.expect("connected").write_all(&bytes).await;
            fault(raw, &Said { code: None, bytes: Vec::new() }).await
        });
        prop_assert!(fault.is_none(), "{}", fault.unwrap_or_default());
    }

    #[test]
    fn whole_requests_are_answered_as_in_process(asked in asked()) {
        let (runtime, raw) = server();
        let bytes = wire(&asked, &raw.token);
        // The client of a watch goes when nothing comes any more.
        let said = runtime.block_on(raw.say(&bytes));
        let found = match said.code {
            // Written by hyper, which speaks no Kubernetes: it could not be read as HTTP.
            Some(400 | 414 | 431) if said.body().is_empty() => None,
            Some(code) => fault_of(&asked, code, said.body()),
            None => None,
        };
        prop_assert!(found.is_none(), "{}", found.unwrap_or_default());
        let fault = runtime.block_on(fault(raw, &said));
        prop_assert!(fault.is_none(), "{}", fault.unwrap_or_default());
    }
}
