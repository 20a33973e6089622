//! How many requests are sent at once, and how fast pods are created: what an API server that is busy asks for holds for
//! all creates, and not for the one alone that was refused.
//!
//! A token bucket of one token, as in "Generic Cell Rate Algorithm" (ITU-T I.371): each create takes the next free moment.
//! Without a refusal they are not held back at all; each refusal doubles the time between two of them, and each create
//! that is accepted shortens it.

use std::pin::pin;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, sleep_until};

use super::locked;

/// How many creates are under way at once, and as many logs, deletes, requests that a limit waits for, and others. Each has a
/// connection of its own over HTTP/1.1, and more of them than an API server works on at a time only wait there; a watch is none of
/// them. Ten thousand creates hold back no delete; logs come from the nodes, and the way there may hang while all else is answered;
/// and deletes may be slow where a webhook looks at them: no other pod's limit waits for that.
const AT_ONCE: usize = 32;
/// The time between two creates after the first refusal, and the longest.
const FIRST_GAP: Duration = Duration::from_millis(10);
const LONGEST_GAP: Duration = Duration::from_secs(1);
/// Less than this is none.
const SHORTEST_GAP: Duration = Duration::from_millis(1);
/// Who waits for a turn while the server has answered nothing for so long goes ahead: requests that hang hold up no other,
/// and each of them ends by its own limit.
const SILENCE: Duration = Duration::from_secs(1);
/// How many creates, and how many reads, may go ahead so at once: a server that is slow, as behind a webhook, is silent too between
/// two answers, and each request takes a file descriptor of the process.
const AHEAD: usize = 128;
/// How long creates pause where the server does not say.
const USUAL_PAUSE: Duration = Duration::from_secs(1);
/// The longest; a server, or a proxy, that names a later time is asked again before it.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// The pace of one connection.
#[derive(Debug)]
pub struct Pace {
    creates: Semaphore,
    /// The line of the creates that wait for their moment: the first to come goes first, and who was refused is behind the others.
    line: Semaphore,
    logs: Semaphore,
    deletes: Semaphore,
    others: Semaphore,
    creates_ahead: Semaphore,
    others_ahead: Semaphore,
    /// What a limit that has passed waits for.
    urgent: Semaphore,
    bucket: Mutex<Bucket>,
    answered: Mutex<Option<Instant>>,
}

#[derive(Debug, Default)]
struct Bucket {
    /// When the next create may be sent.
    next: Option<Instant>,
    gap: Duration,
    /// Until when refusals are those of one and the same moment.
    refused_until: Option<Instant>,
    /// The last pause that the server has asked for, and its end.
    pause: Option<(Duration, Instant)>,
    /// When the last create was accepted.
    accepted: Option<Instant>,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            creates: Semaphore::new(AT_ONCE),
            line: Semaphore::new(1),
            logs: Semaphore::new(AT_ONCE),
            deletes: Semaphore::new(AT_ONCE),
            others: Semaphore::new(AT_ONCE),
            creates_ahead: Semaphore::new(AHEAD),
            others_ahead: Semaphore::new(AHEAD),
            urgent: Semaphore::new(AT_ONCE),
            bucket: Mutex::default(),
            answered: Mutex::default(),
        }
    }
}

/// The server has answered nothing for too long.
#[derive(Debug)]
pub struct Silent;

impl Pace {
    /// Waits until a create may be sent; it has been answered when the permit is dropped.
    ///
    /// # Errors
    /// [`Silent`] where the server has answered nothing for `limit`, while others' creates are under way.
    pub async fn create(&self, limit: Duration) -> Result<Option<SemaphorePermit<'_>>, Silent> {
        let asked = Instant::now();
        let is_over = || self.silence(asked) >= limit;
        let ahead = Some(&self.creates_ahead);
        let permit = self.turn(&self.creates, ahead, is_over).await?;
        // Never closed.
        let _first = self.line.acquire().await.ok();
        while let Some(at) = self.take_moment() {
            sleep_until(at).await;
        }
        Ok(permit)
    }

    /// Waits until a log may be asked for.
    pub async fn log(&self) -> Option<SemaphorePermit<'_>> {
        self.any_turn(&self.logs, None).await
    }

    /// Waits until a delete may be sent.
    pub async fn delete(&self) -> Option<SemaphorePermit<'_>> {
        self.any_turn(&self.deletes, None).await
    }

    /// Waits until a request may be sent that a limit waits for.
    pub async fn urgent(&self) -> Option<SemaphorePermit<'_>> {
        self.any_turn(&self.urgent, None).await
    }

    /// Waits until another request may be sent.
    pub async fn other(&self) -> Option<SemaphorePermit<'_>> {
        self.any_turn(&self.others, Some(&self.others_ahead)).await
    }

    async fn any_turn<'a>(
        &self,
        places: &'a Semaphore,
        ahead: Option<&'a Semaphore>,
    ) -> Option<SemaphorePermit<'a>> {
        let turn = self.turn(places, ahead, || false);
        turn.await.ok().flatten()
    }

    /// Waits for a place, or for one of those `ahead` where the server is silent; `None`: to go ahead without one.
    async fn turn<'a>(
        &self,
        places: &'a Semaphore,
        ahead: Option<&'a Semaphore>,
        is_over: impl Fn() -> bool,
    ) -> Result<Option<SemaphorePermit<'a>>, Silent> {
        let mut free = pin!(places.acquire());
        loop {
            tokio::select! {
                // Never closed.
                permit = &mut free => return Ok(permit.ok()),
                () = sleep(SILENCE) => {
                    if is_over() {
                        return Err(Silent);
                    }
                    if self.is_answering() {
                        continue;
                    }
                    let Some(ahead) = ahead else { return Ok(None) };
                    if let Ok(permit) = ahead.try_acquire() {
                        return Ok(Some(permit));
                    }
                }
            }
        }
    }

    /// Notes that the server has answered a request, whatever the answer.
    pub fn answered(&self) {
        *locked(&self.answered) = Some(Instant::now());
    }

    /// Whether the server has answered any request lately.
    fn is_answering(&self) -> bool {
        locked(&self.answered).is_some_and(|at| at.elapsed() < SILENCE)
    }

    /// For how long the server has answered nothing, of the time since then and of that in which it was asked.
    fn silence(&self, since: Instant) -> Duration {
        let answered = *locked(&self.answered);
        let paused = locked(&self.bucket).pause.map(|(_, until)| until);
        let since = since
            .max(answered.unwrap_or(since))
            .max(paused.unwrap_or(since));
        since.elapsed()
    }

    /// Takes the next free moment if that is now; else when to ask again.
    fn take_moment(&self) -> Option<Instant> {
        let mut bucket = locked(&self.bucket);
        let now = Instant::now();
        match bucket.next {
            Some(next) if next > now => Some(next),
            _ => {
                bucket.next = (!bucket.gap.is_zero()).then(|| now + bucket.gap);
                None
            }
        }
    }

    /// Notes that the server has too many requests, and when it wants the next one.
    pub fn busy(&self, retry_after: Option<Duration>) {
        let mut bucket = locked(&self.bucket);
        let now = Instant::now();
        let pause = retry_after.unwrap_or(USUAL_PAUSE).min(LONGEST_PAUSE);
        let until = now + pause;
        bucket.pause = Some((pause, until));
        bucket.next = bucket.next.max(Some(until));
        // Those that were sent together are refused together, which is one refusal.
        if bucket.refused_until.is_none_or(|until| until <= now) {
            bucket.gap = (bucket.gap * 2).clamp(FIRST_GAP, LONGEST_GAP);
            bucket.refused_until = Some(until);
        }
    }

    /// The pause that the server has asked all creates for, where it has not ended before `since`.
    pub fn pause_since(&self, since: Instant) -> Option<Duration> {
        let (pause, until) = locked(&self.bucket).pause?;
        (until > since).then_some(pause)
    }

    /// Notes that a create was accepted.
    pub fn accepted(&self) {
        self.answered();
        let mut bucket = locked(&self.bucket);
        bucket.accepted = Some(Instant::now());
        bucket.gap = bucket.gap.mul_f64(0.9);
        if bucket.gap < SHORTEST_GAP {
            bucket.gap = Duration::ZERO;
        }
    }

    /// Whether any create was ever accepted.
    pub fn has_ever_accepted(&self) -> bool {
        locked(&self.bucket).accepted.is_some()
    }

    /// Whether any create was accepted in the last so much time: the server works its way through them.
    pub fn has_accepted(&self, within: Duration) -> bool {
        let accepted = locked(&self.bucket).accepted;
        accepted.is_some_and(|at| at.elapsed() < within)
    }
}
