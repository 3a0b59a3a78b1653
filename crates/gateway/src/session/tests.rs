use blegram_domain::{SessionId, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

/// The `n`th credential of a session, issued at `now`.
fn credential(now: Instant, lifetime: Duration, n: u64) -> Credential {
    Credential {
        session: SessionId::from_uuid(Uuid::from_u128(1)),
        valid_until: Timestamp::from_micros(0).unwrap() + seconds(n),
        expires_at: now + lifetime,
        lifetime,
    }
}

fn new(now: Instant, lifetime: Duration) -> Session {
    Session::new(Timing::default(), now, credential(now, lifetime, 0), 0.5)
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

const COMMAND: &str = r#"{"id":1,"op":"sync"}"#;

#[test]
fn ping_without_a_pong_closes_the_connection() {
    let start = Instant::now();
    let mut session = new(start, HOUR);
    assert_eq!((session.due(start + seconds(24)), session.deadline()), (None, start + seconds(25)));
    assert_eq!(session.due(start + seconds(25)), Some(Due::Ping(1)));
    assert_eq!(session.due(start + seconds(34)), None);
    assert_eq!(session.receive(start + seconds(34), r#"{"pong":1}"#), Received::Nothing);
    assert_eq!(session.due(start + seconds(50)), Some(Due::Ping(2)));
    // Neither an old pong nor any other frame answers the ping.
    assert_eq!(session.receive(start + seconds(51), r#"{"pong":1}"#), Received::Nothing);
    assert!(matches!(session.receive(start + seconds(52), COMMAND), Received::Run(_)));
    assert_eq!(session.due(start + seconds(60)), Some(Due::Close(CloseCode::Heartbeat)));
    assert_eq!(session.receive(start + seconds(52), r#"{"pong":3}"#), Received::Close(CloseCode::Protocol));
}

#[test]
fn pings_are_spread_by_jitter() {
    let start = Instant::now();
    let hour = credential(start, HOUR, 0);
    let first = |jitter| Session::new(Timing::default(), start, hour, jitter).deadline() - start;
    assert_eq!([first(0.0), first(1.0)], [Duration::from_millis(22_500), Duration::from_millis(27_500)]);
}

#[test]
fn credential_expires_unless_renewed() {
    let start = Instant::now();
    let first = credential(start, seconds(600), 0);
    let mut session = Session::new(Timing { heartbeat: HOUR, ..Timing::default() }, start, first, 0.5);
    assert_eq!((session.due(start + seconds(479)), session.deadline()), (None, start + seconds(480)));
    assert_eq!(session.due(start + seconds(481)), Some(Due::Expiring(seconds(119))));
    assert_eq!((session.due(start + seconds(599)), session.deadline()), (None, start + seconds(600)));
    session.renew(credential(start + seconds(600), seconds(600), 1));
    assert_eq!((session.due(start + seconds(600)), session.deadline()), (None, start + seconds(1080)));
    assert_eq!(session.due(start + seconds(1080)), Some(Due::Expiring(seconds(120))));
    assert_eq!(session.due(start + seconds(1200)), Some(Due::Close(CloseCode::Expired)));
}

#[test]
fn expiry_warning_of_a_short_credential_is_a_fifth_of_its_lifetime() {
    let start = Instant::now();
    for (lifetime, before) in [(10, 2), (60, 12), (120, 24), (600, 120), (3600, 120)] {
        let timing = Timing { heartbeat: HOUR, ..Timing::default() };
        let mut session = Session::new(timing, start, credential(start, seconds(lifetime), 0), 0.5);
        let warned_at = start + seconds(lifetime - before);
        assert_eq!(session.due(warned_at - Duration::from_millis(1)), None, "{lifetime}");
        assert_eq!(session.due(warned_at), Some(Due::Expiring(seconds(before))), "{lifetime}");
        assert_eq!(session.due(warned_at), None, "{lifetime}");
    }
}

#[test]
fn expiry_warning_is_sent_once_per_credential() {
    let start = Instant::now();
    let timing = Timing { heartbeat: HOUR, ..Timing::default() };
    let mut session = Session::new(timing, start, credential(start, seconds(60), 0), 0.5);
    let late = start + seconds(50);
    assert_eq!(session.due(late), Some(Due::Expiring(seconds(10))));
    for n in 0..100 {
        // The same token, or another ticket for it, whose expiry converts to a slightly different instant.
        let same = credential(start, seconds(60), 0);
        session.renew(Credential { expires_at: same.expires_at + Duration::from_micros(n), ..same });
        assert_eq!(session.due(late), None);
    }
    // A credential that has nearly expired when it is presented causes one immediate warning.
    let nearly = Credential { expires_at: late + seconds(1), ..credential(late, seconds(60), 1) };
    for expected in [Some(Due::Expiring(seconds(1))), None, None] {
        session.renew(nearly);
        assert_eq!(session.due(late), expected);
    }
}

#[test]
fn commands_above_the_rate_are_rejected_then_close_the_connection() {
    let now = Instant::now();
    let mut session = new(now, HOUR);
    for _ in 0..20 {
        assert!(matches!(session.receive(now, COMMAND), Received::Run(_)));
    }
    let retry_after = Duration::from_millis(200);
    for _ in 0..20 {
        assert_eq!(session.receive(now, COMMAND), Received::TooMany { id: 1, retry_after });
    }
    let mut retrying = new(now, HOUR);
    retrying.rate.theoretical_arrival = session.rate.theoretical_arrival;
    assert!(matches!(retrying.receive(now + retry_after, COMMAND), Received::Run(_)), "after retry_after");
    assert_eq!(session.receive(now, COMMAND), Received::Close(CloseCode::Rate));
}

#[test]
fn unsolicited_pongs_and_pings_count_as_commands() {
    let now = Instant::now();
    let mut session = new(now, HOUR);
    for _ in 0..40 {
        assert_eq!(session.receive(now, r#"{"pong":0}"#), Received::Nothing);
    }
    assert_eq!(session.receive(now, r#"{"pong":0}"#), Received::Close(CloseCode::Rate));
    assert_eq!(session.receive_control(now), Received::Close(CloseCode::Rate));
}

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Command,
    Answer,
    Control,
    Garbage(String),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..4000u64).prop_map(Step::Wait),
        4 => Just(Step::Command),
        2 => Just(Step::Answer),
        1 => Just(Step::Control),
        1 => "[\\PC]{0,30}".prop_map(Step::Garbage),
    ];
    proptest::collection::vec(step, 0..300)
}

proptest! {
    /// For all behaviour of a client: no more commands run than the rate limit allows; a client that answers pings
    /// in time stays connected; garbage and an expired credential close the connection; something is due at every
    /// deadline.
    #[test]
    fn session_satisfies_its_invariants_with_any_client(steps in steps(), lifetime in 1..400u64, answers in any::<bool>()) {
        let start = Instant::now();
        let (mut now, mut session) = (start, new(start, seconds(lifetime)));
        let (mut run, mut unanswered): (u32, Option<(u64, Instant)>) = (0, None);
        'steps: for step in steps {
            let received = match step {
                Step::Wait(millis) => {
                    let until = now + Duration::from_millis(millis);
                    while session.deadline() <= until {
                        now = session.deadline().max(now);
                        let due = session.due(now);
                        prop_assert!(due.is_some(), "something is due at the deadline");
                        match due {
                            Some(Due::Ping(n)) if answers => {
                                prop_assert_eq!(session.receive(now, &format!(r#"{{"pong":{n}}}"#)), Received::Nothing);
                            }
                            Some(Due::Ping(n)) => unanswered = Some((n, now)),
                            Some(Due::Expiring(left)) => prop_assert_eq!(now + left, start + seconds(lifetime)),
                            Some(Due::Close(code)) => {
                                match code {
                                    CloseCode::Expired => prop_assert_eq!(now, start + seconds(lifetime)),
                                    _ => {
                                        prop_assert_eq!(code, CloseCode::Heartbeat);
                                        let since = unanswered.map(|(_, since)| since + seconds(10));
                                        prop_assert_eq!(since, Some(now));
                                    }
                                }
                                break 'steps;
                            }
                            None => {}
                        }
                    }
                    now = until;
                    Received::Nothing
                }
                Step::Command => session.receive(now, COMMAND),
                Step::Control => session.receive_control(now),
                Step::Answer => match unanswered.take() {
                    Some((n, _)) => session.receive(now, &format!(r#"{{"pong":{n}}}"#)),
                    None => Received::Nothing,
                },
                Step::Garbage(text) => {
                    prop_assert_eq!(session.receive(now, &text), Received::Close(CloseCode::Protocol));
                    break;
                }
            };
            match received {
                Received::Run(_) => run += 1,
                Received::Close(code) => {
                    prop_assert_eq!(code, CloseCode::Rate);
                    break;
                }
                _ => {}
            }
            let allowed = 20.0 + (now - start).as_secs_f64() * 5.0;
            prop_assert!(f64::from(run) <= allowed, "{run} of {allowed}");
        }
    }
}
