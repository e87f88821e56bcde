//! Who keeps whom: no circle of references is made by the coroutines themselves, and each value is dropped once.

use std::cell::RefCell;
use std::rc::Rc;

use coracle::coroutine::{Generator, Peers};

use crate::support::{alone, leaves_the_heap_as_it_was};

/// Closed, dropped and panicked in the middle, finished, and never started; with a value on its way and without.
#[test]
fn generators_that_end_in_every_way_leave_the_heap_as_it_was() {
    alone("coroutine::memory::generators_that_end_in_every_way_leave_the_heap_as_it_was", || {
        leaves_the_heap_as_it_was(|| {
            for end in 0..6 {
                let generator = Generator::<String, String, String>::new(async |co| {
                    let inner = Generator::new(async |co| co.yield_("a".repeat(100)).await);
                    let answer = co.delegate(inner).await.unwrap();
                    if answer == "panic" {
                        std::panic::resume_unwind(Box::new(answer));
                    }
                    co.yield_(answer).await
                });
                if end > 0 {
                    generator.start().unwrap();
                }
                match end {
                    0 | 1 => {}
                    2 => generator.close().unwrap(),
                    3 => drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                        generator.resume("panic".into())
                    }))),
                    4 => drop(generator.resume("b".repeat(100))),
                    _ => {
                        generator.resume("c".repeat(100)).unwrap();
                        generator.resume("d".repeat(100)).unwrap();
                        assert!(generator.resume("e".repeat(100)).is_err());
                    }
                }
            }
        });
    });
}

/// The user can make a circle, of a body that holds its own generator: closing breaks it, and so does finishing.
#[test]
fn closing_breaks_a_circle_that_the_body_made() {
    alone("coroutine::memory::closing_breaks_a_circle_that_the_body_made", || {
        leaves_the_heap_as_it_was(|| {
            let own = Rc::new(RefCell::new(None::<Rc<Generator<'static, u32>>>));
            let inside = own.clone();
            let generator = Rc::new(Generator::new(async move |co| {
                let _me = inside.borrow().clone();
                co.yield_(1).await;
            }));
            *own.borrow_mut() = Some(generator.clone());
            generator.start().unwrap();
            own.take();
            generator.close().unwrap();
        });
    });
}

/// Peers that stand in a switch, never began, finished, panicked, and were added by others.
#[test]
fn peers_left_in_any_state_leave_the_heap_as_it_was() {
    alone("coroutine::memory::peers_left_in_any_state_leave_the_heap_as_it_was", || {
        leaves_the_heap_as_it_was(|| {
            let mut peers = Peers::new();
            peers
                .add("a", async |me, text: String| {
                    for n in 0..10 {
                        let child =
                            me.add(format!("child {n}"), async |me, text| me.switch_to("a", text).await.unwrap());
                        let child = child.await.unwrap();
                        me.switch_to(&child, text.clone()).await.unwrap();
                    }
                    me.switch_to("b", text).await.unwrap()
                })
                .unwrap();
            peers.add("b", async |me, text| me.switch_to_runner(text).await).unwrap();
            peers.add("never", async |_, text| text).unwrap();
            peers.add("panics", async |_, text| std::panic::resume_unwind(Box::new(text))).unwrap();
            assert_eq!(peers.run("a", "x".repeat(50)), Ok("x".repeat(50)));
            let panicked =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| peers.run("panics", "y".repeat(50))));
            assert!(panicked.is_err());
            assert_eq!(peers.run("b", "z".into()), Ok("z".into()));
        });
    });
}
