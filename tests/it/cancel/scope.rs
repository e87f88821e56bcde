//! Children of a scope.

use coracle::scope::{scope, try_scope};
use coracle::task::yield_now;

use crate::group::{Noted, Trace};
use crate::support::cut_at_every_poll;

/// Notes its drop, after some turns or before.
async fn turns(noted: Noted) -> u8 {
    for _ in 0..3 {
        yield_now().await;
    }
    drop(noted);
    7
}

/// The handle of a child changes nothing for it: the scope waits for its end.
#[test]
fn a_childs_handle_that_is_dropped_anywhere_leaves_the_child_alone() {
    let trace = Trace::default();
    let tried = cut_at_every_poll(|cut| {
        let child = async || Ok::<_, ()>(turns(Noted(trace.clone(), String::from("child"))).await);
        let output = coracle::block_on(try_scope(async |s| {
            let child = cut.at(s.try_spawn(child())).await;
            Ok(child.unwrap_or(7))
        }));
        assert_eq!((output.unwrap(), trace.take()), (7, vec![String::from("drop child")]));
    });
    let caught = cut_at_every_poll(|cut| {
        let output = coracle::block_on(scope(async |s| {
            let child = turns(Noted(trace.clone(), String::from("child")));
            cut.at(s.spawn_catching(child)).await.map_or(7, Result::unwrap)
        }));
        assert_eq!((output, trace.take()), (7, vec![String::from("drop child")]));
    });
    assert!(tried >= 2 && caught >= 2, "{tried} {caught}");
}
