//! The delivery protocol of DELIVERY.md as a model, checked in every reachable state.
//!
//! Two recipients, two providers, two workers. A worker may die at any step and come back; it may be
//! taken for dead while it lives (a lost lease) and go on late; a provider may take a message or not,
//! and its answer may be lost. Nobody re-sends an uncertain message. What is on the wire is counted
//! where it arrives, and not in the journal. The same model with the intent written after the wire must
//! break: a checker that finds nothing there would find nothing anywhere.

// Tests fail by panicking, and print their counts.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use stateright::{Checker, Model, Property};

const RECIPIENTS: usize = 2;
const PROVIDERS: usize = 2;
const WORKERS: usize = 2;

/// When the intent is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Intent {
    /// Durable before the first byte: the protocol.
    BeforeTheWire,
    /// After the message was handed over: what must break.
    AfterTheWire,
}

struct Delivery {
    intent: Intent,
}

/// What the journal holds of a recipient. It survives everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Row {
    /// With the providers that refused for reasons of their own.
    Pending {
        refused_by: [bool; PROVIDERS],
    },
    /// An open attempt of that worker, which the fence tells from every other.
    Open {
        worker: usize,
        refused_by: [bool; PROVIDERS],
    },
    Accepted,
    Unknown,
}

/// Where a worker stands. It is forgotten when the worker dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Worker {
    Dead,
    Idle,
    /// Up to 354: nothing durable, nothing on the wire.
    Ready {
        recipient: usize,
        provider: usize,
    },
    /// The intent is durable.
    Intended {
        recipient: usize,
        provider: usize,
    },
    /// The message was handed over, and this came back.
    Heard {
        recipient: usize,
        provider: usize,
        answer: Answer,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Answer {
    Yes,
    No,
    Lost,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    rows: [Row; RECIPIENTS],
    workers: [Worker; WORKERS],
    /// Copies that each recipient's providers took: the truth.
    copies: [u8; RECIPIENTS],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Begin {
        worker: usize,
        recipient: usize,
        provider: usize,
    },
    Intend {
        worker: usize,
    },
    /// Whether the provider takes it, and what the worker hears.
    HandOver {
        worker: usize,
        taken: bool,
        answer: Answer,
    },
    Settle {
        worker: usize,
    },
    Die {
        worker: usize,
    },
    ComeBack {
        worker: usize,
    },
    /// Another finds that worker's open attempts without an owner: rightly, or because a lease ran out.
    Adopt {
        from: usize,
    },
}

impl Model for Delivery {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            rows: [Row::Pending { refused_by: [false; PROVIDERS] }; RECIPIENTS],
            workers: [Worker::Idle; WORKERS],
            copies: [0; RECIPIENTS],
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (worker, stands) in state.workers.iter().enumerate() {
            let is_ready = |stands: &Worker| match self.intent {
                Intent::BeforeTheWire => matches!(stands, Worker::Intended { .. }),
                Intent::AfterTheWire => matches!(stands, Worker::Ready { .. }),
            };
            match stands {
                Worker::Dead => actions.push(Action::ComeBack { worker }),
                Worker::Idle => begin(worker, state, actions),
                Worker::Ready { .. } if self.intent == Intent::BeforeTheWire => {
                    actions.push(Action::Intend { worker });
                }
                Worker::Heard { .. } => actions.push(Action::Settle { worker }),
                Worker::Ready { .. } | Worker::Intended { .. } => {}
            }
            if is_ready(stands) {
                // An explicit answer is true; a lost one says nothing about whether it was taken.
                let ways =
                    [(true, Answer::Yes), (false, Answer::No), (true, Answer::Lost), (false, Answer::Lost)];
                actions.extend(ways.map(|(taken, answer)| Action::HandOver { worker, taken, answer }));
            }
            if *stands != Worker::Dead {
                actions.push(Action::Die { worker });
            }
            actions.push(Action::Adopt { from: worker });
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        match action {
            Action::Begin { worker, recipient, provider } => {
                next.workers[worker] = Worker::Ready { recipient, provider };
            }
            Action::Intend { worker } => intend(&mut next, worker),
            Action::HandOver { worker, taken, answer } => {
                let (recipient, provider) = target(last.workers[worker])?;
                next.copies[recipient] += u8::from(taken);
                next.workers[worker] = Worker::Heard { recipient, provider, answer };
            }
            Action::Settle { worker } => settle(&mut next, worker, self.intent)?,
            Action::Die { worker } => next.workers[worker] = Worker::Dead,
            Action::ComeBack { worker } => next.workers[worker] = Worker::Idle,
            Action::Adopt { from } => {
                for row in &mut next.rows {
                    if matches!(row, Row::Open { worker, .. } if *worker == from) {
                        *row = Row::Unknown;
                    }
                }
            }
        }
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("nobody gets it twice", |_, state: &State| {
                state.copies.iter().all(|copies| *copies <= 1)
            }),
            Property::always("told accepted implies on the wire", |_, state: &State| {
                let mut both = state.rows.iter().zip(state.copies);
                both.all(|(row, copies)| *row != Row::Accepted || copies == 1)
            }),
            Property::always("on the wire implies open, accepted or unknown", |_, state: &State| {
                let mut both = state.rows.iter().zip(state.copies);
                both.all(|(row, copies)| copies == 0 || !matches!(row, Row::Pending { .. }))
            }),
            Property::sometimes("everybody is accepted", |_, state: &State| {
                state.rows.iter().all(|row| *row == Row::Accepted)
            }),
            Property::sometimes("the second provider carries what the first refused", |_, state: &State| {
                state
                    .workers
                    .iter()
                    .any(|worker| matches!(worker, Worker::Heard { provider: 1, answer: Answer::Yes, .. }))
            }),
            Property::sometimes("a crash leaves somebody unknown", |_, state: &State| {
                state.rows.contains(&Row::Unknown)
            }),
        ]
    }
}

/// A pending recipient goes to the first provider, in order of fallback, that did not refuse it.
fn begin(worker: usize, state: &State, actions: &mut Vec<Action>) {
    for (recipient, row) in state.rows.iter().enumerate() {
        if let Row::Pending { refused_by } = row
            && let Some(provider) = refused_by.iter().position(|refused| !refused)
        {
            actions.push(Action::Begin { worker, recipient, provider });
        }
    }
}

fn target(worker: Worker) -> Option<(usize, usize)> {
    match worker {
        Worker::Ready { recipient, provider } | Worker::Intended { recipient, provider } => {
            Some((recipient, provider))
        }
        _ => None,
    }
}

/// One compare-and-set: it is written only on a row that is still pending.
fn intend(next: &mut State, worker: usize) {
    let Worker::Ready { recipient, provider } = next.workers[worker] else { return };
    next.workers[worker] = match next.rows[recipient] {
        Row::Pending { refused_by } => {
            next.rows[recipient] = Row::Open { worker, refused_by };
            Worker::Intended { recipient, provider }
        }
        _ => Worker::Idle,
    };
}

/// The outcome, as a compare-and-set on the attempt's own row.
fn settle(next: &mut State, worker: usize, intent: Intent) -> Option<()> {
    let Worker::Heard { recipient, provider, answer } = next.workers[worker] else { return None };
    let refused_by = match (intent, next.rows[recipient]) {
        (Intent::BeforeTheWire, Row::Open { worker: owner, refused_by }) if owner == worker => {
            Some(refused_by)
        }
        // The broken protocol writes intent and outcome only now.
        (Intent::AfterTheWire, Row::Pending { refused_by }) => Some(refused_by),
        _ => None,
    };
    if let Some(mut refused_by) = refused_by {
        next.rows[recipient] = match answer {
            Answer::Yes => Row::Accepted,
            Answer::Lost => Row::Unknown,
            Answer::No => {
                refused_by[provider] = true;
                Row::Pending { refused_by }
            }
        };
    }
    next.workers[worker] = Worker::Idle;
    Some(())
}

#[test]
fn in_every_reachable_state_nobody_is_doubled_and_what_is_told_is_true() {
    let checker = Delivery { intent: Intent::BeforeTheWire }.checker().threads(2).spawn_bfs().join();

    eprintln!("model: {} states, {} deep", checker.unique_state_count(), checker.max_depth());
    checker.assert_properties();
    assert!(checker.is_done() && checker.unique_state_count() > 1_000);
}

#[test]
fn with_the_intent_after_the_wire_the_checker_finds_the_double() {
    let checker = Delivery { intent: Intent::AfterTheWire }.checker().spawn_bfs().join();

    for broken in ["nobody gets it twice", "on the wire implies open, accepted or unknown"] {
        let path = checker.discovery(broken).unwrap_or_else(|| panic!("no counterexample to: {broken}"));
        eprintln!("{broken}: broken in {} steps", path.into_actions().len());
    }
}
