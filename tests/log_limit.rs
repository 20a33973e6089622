//! A log of any length costs bounded memory, and says what was left out.

use kubegrader::cluster::logs::HeadAndTail;

fn kept(limit: usize, chunks: &[&[u8]]) -> String {
    let mut log = HeadAndTail::new(limit);
    chunks.iter().for_each(|chunk| log.push(chunk));
    log.into_text()
}

#[test]
fn a_log_within_the_limit_is_kept_whole() {
    assert_eq!(
        kept(20, &[b"0123456789", b"0123456789"]),
        "01234567890123456789"
    );
    assert_eq!(kept(20, &[]), "");
}

#[test]
fn an_odd_limit_is_kept_to_the_byte() {
    assert_eq!(kept(5, &[b"abcde"]), "abcde");
    assert_eq!(kept(1, &[b"a"]), "a");
    assert_eq!(kept(3, &[b"ab", b"c"]), "abc");
}

#[test]
fn the_first_and_the_last_lines_are_kept_and_the_gap_is_named() {
    let lines: String = (0..1000).map(|n| format!("line {n}\n")).collect();
    let text = kept(40, &[lines.as_bytes()]);
    assert_eq!(
        text,
        "line 0\nline 1\n[... 9858 bytes of the log are left out here ...]\nline 998\nline 999\n"
            .replace("9858", &(lines.len() - 32).to_string())
    );
}

#[test]
fn it_makes_no_difference_how_the_bytes_arrive() {
    let bytes: Vec<u8> = (0..10_000_u32)
        .flat_map(|n| format!("{n}\n").into_bytes())
        .collect();
    let whole = kept(1000, &[&bytes]);
    for size in [1, 7, 499, 500, 501, 1000, 4096] {
        assert_eq!(
            kept(1000, &bytes.chunks(size).collect::<Vec<_>>()),
            whole,
            "chunks of {size}"
        );
    }
}

#[test]
fn a_log_without_a_newline_is_cut_where_it_must_be() {
    assert_eq!(
        kept(8, &[b"abcdefghijklmnop"]),
        "abcd\n[... 8 bytes of the log are left out here ...]\nmnop"
    );
}

#[test]
fn bytes_that_are_no_utf_8_are_replaced_and_lose_nothing_else() {
    assert_eq!(kept(100, &[b"ok \xff\xfe end"]), "ok \u{fffd}\u{fffd} end");
}

#[test]
fn gigabytes_cost_no_more_memory_than_the_limit() {
    let chunk = vec![b'x'; 1 << 20];
    let mut log = HeadAndTail::new(1 << 16);
    for _ in 0..2048 {
        log.push(&chunk);
    }
    assert!(log.into_text().len() < (1 << 16) + 100);
}
