//! The first of several that give different things.

use coracle::sync::channel::bounded;
use coracle::task::{OneOf, first_of, yield_now};

use crate::group::{Noted, Trace};
use crate::support::cut_at_every_poll;

/// Lossy: all are dropped with it, here one that loses nothing and one that loses what it holds.
#[test]
fn the_first_of_several_that_is_dropped_anywhere_drops_them_all() {
    let trace = Trace::default();
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let (sender, receiver) = bounded(1);
            let sending = coracle::spawn(async move {
                yield_now().await;
                sender.send(7).await
            });
            let noted = Noted(trace.clone(), String::from("future"));
            let other = async move {
                let _noted = noted;
                std::future::pending::<()>().await;
            };
            let received = match cut.at(first_of((receiver.recv(), other))).await {
                Some(OneOf::First(received)) => received,
                Some(_) => panic!("the other one never ends"),
                None => receiver.recv().await,
            };
            assert_eq!((received, trace.take()), (Some(7), vec![String::from("drop future")]));
            sending.await.unwrap().unwrap();
        });
    });
    assert!(dropped >= 3, "{dropped}");
}
