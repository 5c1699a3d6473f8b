//! Batches calls without a timer: items that arrive while earlier batches are in flight form the next one.
//!
//! No item waits for a batch to fill, unless its caller can afford it: then a batch is held open for a few milliseconds,
//! which makes one call of several at moderate rates. A busy system pays for one call per batch either way.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tidings_service::{Health, Supervisor};
use tokio::sync::{Mutex, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// Maximum batch size, and batches in flight at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) items: usize,
    pub(crate) bytes: usize,
    pub(crate) concurrent: usize,
    /// Time that a batch which is not full stays open for more; zero where callers wait for the result.
    pub(crate) gather: Duration,
}

/// Hands single items to a function of batches.
pub(crate) struct Batcher<T, R> {
    items: mpsc::Sender<Item<T, R>>,
}

struct Item<T, R> {
    value: T,
    bytes: usize,
    answer: oneshot::Sender<R>,
}

impl<T, R> Clone for Batcher<T, R> {
    fn clone(&self) -> Self {
        Self {
            items: self.items.clone(),
        }
    }
}

impl<T: Send + 'static, R: Send + 'static> Batcher<T, R> {
    /// Starts a task that calls `work` with up to `limits.items` items at a time. `work` gives one answer per
    /// item, in order. The task ends when the last handle is gone.
    pub(crate) fn start<F, W>(task: &'static str, health: &Health, limits: Limits, work: W) -> Self
    where
        W: Fn(Vec<T>) -> F + Send + Sync + 'static,
        F: Future<Output = Vec<R>> + Send + 'static,
    {
        // Bounded, so that callers wait when the log service is slow instead of filling memory.
        let (items, waiting) = mpsc::channel::<Item<T, R>>(limits.items * 4);
        let waiting = Arc::new(Mutex::new(waiting));
        let slots = Arc::new(Semaphore::new(limits.concurrent));
        let work = Arc::new(work);
        Supervisor::new(health.clone(), CancellationToken::new())
            .spawn(task, move || form(limits, waiting.clone(), slots.clone(), work.clone()));
        Self { items }
    }

    /// The answer for one item; `None` if the work was given up.
    pub(crate) async fn call(&self, value: T, bytes: usize) -> Option<R> {
        let (answer, result) = oneshot::channel();
        self.items.send(Item { value, bytes, answer }).await.ok()?;
        result.await.ok()
    }
}

/// Forms batches until the last handle is gone.
async fn form<T, R, F, W>(
    limits: Limits,
    waiting: Arc<Mutex<mpsc::Receiver<Item<T, R>>>>,
    slots: Arc<Semaphore>,
    work: Arc<W>,
) where
    T: Send + 'static,
    R: Send + 'static,
    W: Fn(Vec<T>) -> F + Send + Sync + 'static,
    F: Future<Output = Vec<R>> + Send + 'static,
{
    let mut waiting = waiting.lock().await;
    let mut left_over = None;
    loop {
        // First a slot, then the items: what arrives while all slots are taken makes the next batch.
        let Ok(slot) = slots.clone().acquire_owned().await else {
            return;
        };
        let first = match left_over.take() {
            Some(item) => item,
            None => match waiting.recv().await {
                Some(item) => item,
                None => return,
            },
        };
        let (mut values, mut answers, mut bytes) = (vec![first.value], vec![first.answer], first.bytes);
        // Counted from the first item: each wait is bounded, however many follow.
        let full_at = Instant::now() + limits.gather;
        while values.len() < limits.items
            && let Some(item) = next_before(&mut waiting, full_at, limits.gather).await
        {
            if bytes + item.bytes > limits.bytes {
                // It can't go back into the channel, so it begins the next batch.
                left_over = Some(item);
                break;
            }
            bytes += item.bytes;
            values.push(item.value);
            answers.push(item.answer);
        }
        let results = work(values);
        // Apart from the loop, so that the next batch forms meanwhile; the slot bounds how many are under way.
        tokio::spawn(async move {
            for (answer, result) in answers.into_iter().zip(results.await) {
                // The caller was cancelled, and the result concerns nobody else.
                let _ = answer.send(result);
            }
            drop(slot);
        });
    }
}

/// The next item that is there, or that comes before `end` if the batch is gathered.
async fn next_before<I>(waiting: &mut mpsc::Receiver<I>, end: Instant, gather: Duration) -> Option<I> {
    match waiting.try_recv() {
        Ok(item) => Some(item),
        Err(_) if gather.is_zero() => None,
        Err(_) => timeout_at(end, waiting.recv()).await.ok().flatten(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn items_that_arrive_while_a_batch_is_under_way_go_together() {
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let gate = Arc::new(Semaphore::new(0));
        let limits = Limits {
            items: 10,
            bytes: 1_000,
            concurrent: 1,
            gather: Duration::ZERO,
        };
        let batcher = Batcher::start("batches", &Health::new(), limits, {
            let (sizes, gate) = (sizes.clone(), gate.clone());
            move |items: Vec<u32>| {
                sizes.lock().unwrap().push(items.len());
                let gate = gate.clone();
                async move {
                    gate.acquire().await.unwrap().forget();
                    items.into_iter().map(|n| n * 2).collect()
                }
            }
        });
        let calls: Vec<_> = (0..26)
            .map(|n| {
                let batcher = batcher.clone();
                tokio::spawn(async move { batcher.call(n, 1).await })
            })
            .collect();
        gate.add_permits(26);
        for (n, call) in calls.into_iter().enumerate() {
            assert_eq!(call.await.unwrap(), Some(n as u32 * 2));
        }
        let sizes = sizes.lock().unwrap();
        assert_eq!(sizes.iter().sum::<usize>(), 26);
        assert!(sizes.iter().all(|&n| n <= 10) && sizes.len() < 26, "{sizes:?}");
    }

    #[tokio::test]
    async fn a_batch_is_bounded_in_bytes() {
        let limits = Limits {
            items: 10,
            bytes: 100,
            concurrent: 1,
            gather: Duration::ZERO,
        };
        let batcher = Batcher::start("batches", &Health::new(), limits, |items: Vec<u32>| async move {
            vec![items.len(); items.len()]
        });
        let calls = futures::future::join_all((0..10).map(|n| batcher.call(n, 60))).await;
        assert!(calls.into_iter().all(|size| size == Some(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_gathered_batch_stays_open_for_those_that_come_soon() {
        let limits = Limits {
            items: 3,
            bytes: 1_000,
            concurrent: 4,
            gather: Duration::from_millis(5),
        };
        let batcher = Batcher::start("batches", &Health::new(), limits, |items: Vec<u32>| async move {
            vec![items.len(); items.len()]
        });
        let call = |after_ms: u64| {
            let batcher = batcher.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(after_ms)).await;
                batcher.call(1, 1).await
            }
        };
        let (first, soon, late) = tokio::join!(call(0), call(2), call(20));
        assert_eq!((first, soon, late), (Some(2), Some(2), Some(1)));
        let begun = Instant::now();
        let full = futures::future::join_all((0..3).map(|_| batcher.call(1, 1))).await;
        assert_eq!(full, [Some(3); 3]);
        assert!(begun.elapsed() < limits.gather, "a full batch leaves at once");
    }
}
