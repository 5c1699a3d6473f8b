//! The publishing connection: reconnected forever, declares the topology, shared by a few channels.
//!
//! A connection with its channels is one generation. Any error or timeout ends it as a whole; callers with
//! unconfirmed messages get "unknown", and the next generation starts afresh. A generation is used only while the
//! broker confirms messages: a cluster without a majority accepts connections but stores nothing.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use futures::future::select_ok;
use futures::stream::BoxStream;
use lapin::Event;
use lapin::options::ConfirmSelectOptions;
use tidings_service::Backoff;
use tokio::sync::{Mutex, Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::channel::{self, Common, Job};
use super::{Link, Publishers};
use crate::rabbit::check;
use crate::rabbit::connection::{self, Cure, Failure, answer, explain};
use crate::rabbit::declare::declare;
use crate::rabbit::line::Line;
use crate::rabbit::routes::{Address, Confirmed};
use crate::rabbit::status::Side;
use crate::rabbit::{OPERATOR_RETRY, Shared, backoff};
use crate::{PublishError, metrics};

/// Keeps a generation alive until the queue is closed.
pub(in crate::rabbit) async fn keep(shared: Arc<Shared>) {
    let mut backoff = backoff();
    loop {
        let started = tokio::select! {
            () = shared.closing.cancelled() => break,
            started = start(&shared) => started,
        };
        let failure = match started {
            Ok(generation) => {
                let ended = generation.run(&shared, &mut backoff).await;
                match ended {
                    None => break,
                    Some(failure) => failure,
                }
            }
            Err(failure) => failure,
        };
        shared.link.send_replace(Link::Down(failure.reason.clone()));
        shared.status.down(Side::Publishing, &failure);
        tokio::select! {
            () = shared.closing.cancelled() => break,
            () = sleep(wait_after(&failure, &mut backoff)) => {}
        }
    }
    shared.link.send_replace(Link::Down("the queue is closed".into()));
}

fn wait_after(failure: &Failure, backoff: &mut Backoff) -> Duration {
    if failure.cure == Cure::Operator {
        OPERATOR_RETRY
    } else {
        backoff.next()
    }
}

/// One connection with its channels, from start to failure.
struct Generation {
    publishers: Arc<Publishers>,
    tasks: Tasks,
    events: BoxStream<'static, Event>,
}

async fn start(shared: &Shared) -> Result<Generation, Failure> {
    let line = shared.dial(Side::Publishing).await?;
    let made = make(shared, &line).await;
    match made {
        Ok((tasks, jobs, common)) => Ok(Generation {
            events: connection::events(&line),
            publishers: Arc::new(Publishers {
                line: Arc::new(line),
                common,
                jobs,
                next: AtomicUsize::new(0),
                looking: Mutex::default(),
            }),
            tasks,
        }),
        Err(failure) => {
            shared.leave(&line, &failure);
            Err(failure)
        }
    }
}

type Tasks = JoinSet<Result<(), Failure>>;

async fn make(shared: &Shared, line: &Line) -> Result<(Tasks, Vec<mpsc::Sender<Job>>, Arc<Common>), Failure> {
    if !*shared.declared.borrow() && declare(line, &shared.topology, &shared.declared_before).await? {
        let settle = shared.config.settle;
        if !settle.is_zero() {
            let reason = format!("declared new queues; taking messages in {settle:?}");
            shared.link.send_replace(Link::Down(reason.clone()));
            shared.status.down(Side::Publishing, &Failure::passing(reason));
            sleep(settle).await;
        }
    }
    let common = Arc::new(Common {
        is_blocked: {
            let link = shared.link.subscribe();
            Box::new(move || link.borrow().is_blocked())
        },
        confirm_timeout: shared.config.confirm_timeout,
        confirmed: Confirmed::default(),
        routes: shared.routes.clone(),
        returned: Arc::new(Notify::new()),
    });
    let (mut tasks, mut senders) = (JoinSet::new(), Vec::new());
    // One task per channel: tasks that share one get each other's returns and confirms from the client.
    for _ in 0..shared.config.publish_channels.max(1) {
        let channel = answer("open a channel", line.create_channel()).await?;
        answer(
            "turn on confirms",
            channel.confirm_select(ConfirmSelectOptions::default()),
        )
        .await?;
        let (sender, jobs) = mpsc::channel(WAITING_JOBS);
        senders.push(sender);
        tasks.spawn(channel::run(channel, jobs, common.clone()));
    }
    Ok((tasks, senders, common))
}

/// Waiting messages per channel: two batches.
const WAITING_JOBS: usize = 512;

impl Generation {
    /// Serves until something fails, or until the queue is closed (`None`) and what is under way has ended.
    async fn run(mut self, shared: &Shared, backoff: &mut Backoff) -> Option<Failure> {
        let up = metrics::CONNECTIONS.with_label_values(&[Side::Publishing.as_str()]);
        up.set(1);
        shared.declared.send_replace(true);
        let failure = self.watch(shared, backoff).await;
        up.set(0);
        let line = self.publishers.line.clone();
        match &failure {
            Some(failure) => {
                metrics::RECONNECTS
                    .with_label_values(&[Side::Publishing.as_str()])
                    .inc();
                shared.link.send_replace(Link::Down(failure.reason.clone()));
                shared.leave(&line, failure);
                if failure.cure == Cure::Declare {
                    shared.declared.send_replace(false);
                }
                // Unanswered jobs are dropped with their tasks, which tells their callers "unknown".
                self.tasks.shutdown().await;
            }
            None => {
                shared.link.send_replace(Link::Down("the queue is closing".into()));
            }
        }
        // With the link down, only callers that are publishing right now still hold senders.
        drop(self.publishers);
        // Without senders the publishers finish what they have and close their channels.
        while self.tasks.join_next().await.is_some() {}
        line.close().await;
        failure
    }

    async fn watch(&mut self, shared: &Shared, backoff: &mut Backoff) -> Option<Failure> {
        let mut blocked_since = None;
        let mut usable = false;
        let mut declared = shared.declared.subscribe();
        let publishers = self.publishers.clone();
        let (proofs, mut proven) = mpsc::channel(1);
        let proving = prove(shared, &publishers, proofs);
        let checking = check::watch(shared, &publishers.line, &publishers.common.returned);
        tokio::pin!(proving, checking);
        let failure = loop {
            tokio::select! {
                () = shared.closing.cancelled() => break None,
                // Topology is declared at the start of a generation and nowhere else.
                _ = declared.wait_for(|declared| !declared) => {
                    break Some(Failure::passing("a queue is missing; declaring it again"));
                }
                Some(ended) = self.tasks.join_next() => break Some(match ended {
                    Ok(Err(failure)) => failure,
                    Ok(Ok(())) => Failure::passing("a publisher ended"),
                    Err(error) => Failure::passing(format!("a publisher failed: {error}")),
                }),
                failure = &mut proving => break Some(failure),
                failure = &mut checking, if usable => break Some(failure),
                Some(()) = proven.recv() => {
                    usable = true;
                    backoff.reset();
                    // A proof may still arrive from before the alarm.
                    if blocked_since.is_none() {
                        self.announce(shared);
                    }
                }
                event = self.events.next() => match event {
                    Some(Event::ConnectionBlocked(reason)) => {
                        blocked_since.get_or_insert_with(Instant::now);
                        metrics::BLOCKED.set(1);
                        let failure = Failure::passing(format!("blocked by an alarm of the broker: {reason}"));
                        shared.status.down(Side::Publishing, &failure);
                        shared.link.send_replace(Link::Blocked(reason));
                    }
                    Some(Event::ConnectionUnblocked) => {
                        count_blocked(blocked_since.take());
                        self.announce(shared);
                    }
                    Some(Event::Error(error)) => break Some(Failure::passing(format!("connection lost: {}", explain(&error)))),
                    Some(_) => {}
                    None => break Some(Failure::passing("connection lost")),
                },
            }
        };
        count_blocked(blocked_since);
        failure
    }

    fn announce(&self, shared: &Shared) {
        shared.link.send_replace(Link::Up(self.publishers.clone()));
        shared.status.up(Side::Publishing);
    }
}

/// Publishes probe messages whenever nothing else was confirmed for a while, reports the first confirmation, and
/// returns once probes stay unconfirmed too.
async fn prove(shared: &Shared, publishers: &Publishers, proofs: mpsc::Sender<()>) -> Failure {
    /// Interval of probes. A broker that stores nothing is noticed after at most two intervals and the confirm
    /// timeout.
    const EVERY: Duration = Duration::from_secs(1);
    let mut proven = false;
    loop {
        if !proven || !publishers.common.confirmed.within(EVERY) {
            // They are led by different nodes: one of them is enough, or a node that stands still would hide the others.
            let probes = shared.topology.probes().map(|queue| {
                // The default exchange needs no binding that could be missing.
                let to = Address::from((String::new(), queue));
                Box::pin(publishers.publish(to, Bytes::from_static(b"probe")))
            });
            match select_ok(probes).await {
                Ok(_) if proven => {}
                Ok(_) => {
                    proven = true;
                    let _ = proofs.send(()).await;
                }
                // The broker has said why it confirms nothing, and will say when it does again.
                Err(_) if shared.link.borrow().is_blocked() => {}
                Err(PublishError::Unroutable(to)) => {
                    return Failure {
                        reason: format!("queue {to} is missing; declaring it again"),
                        cure: Cure::Declare,
                    };
                }
                Err(error) => {
                    return Failure::passing(format!(
                        "the broker takes connections and confirms no message ({error}): a cluster needs a majority of \
                         its nodes"
                    ));
                }
            }
        }
        sleep(EVERY).await;
    }
}

fn count_blocked(since: Option<Instant>) {
    metrics::BLOCKED.set(0);
    if let Some(since) = since {
        metrics::BLOCKED_SECONDS.inc_by(since.elapsed().as_secs_f64());
    }
}
