//! What children may borrow, written as a program would write it: each of these is here because it compiles.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use coracle::scope::{Child, Scope, scope, try_scope};
use coracle::task::yield_now;

#[test]
fn children_share_what_is_outside() {
    coracle::block_on(async {
        let words = vec!["one".to_owned(), "two".to_owned(), "three".to_owned()];
        let total = Cell::new(0);
        let lengths = scope(async |s| {
            let mut children = Vec::new();
            for word in &words {
                let total = &total;
                children.push(s.spawn(async move {
                    yield_now().await;
                    total.set(total.get() + word.len());
                    word.len()
                }));
            }
            let all = s.spawn(async { words.len() });
            let mut lengths = Vec::new();
            for child in children {
                lengths.push(child.await);
            }
            lengths.push(all.await);
            lengths
        })
        .await;
        assert_eq!((lengths, total.get(), words.len()), (vec![3, 3, 5, 3], 11, 3));
    });
}

#[test]
fn one_child_borrows_exclusively_and_another_something_else() {
    coracle::block_on(async {
        let (mut left, mut right) = (Vec::new(), String::new());
        scope(async |s| {
            s.spawn(async {
                left.push(1);
                yield_now().await;
                left.push(2);
            });
            let right = &mut right;
            s.spawn(async move { right.push_str("text") });
        })
        .await;
        assert_eq!((left, right.as_str()), (vec![1, 2], "text"));
    });
}

#[test]
fn parts_of_a_slice_are_lent_to_one_child_each() {
    let mut numbers: Vec<u32> = (0..100).collect();
    coracle::block_on(scope(async |s| {
        for part in numbers.chunks_mut(7) {
            s.spawn(async move {
                yield_now().await;
                part.iter_mut().for_each(|number| *number *= 2);
            });
        }
    }));
    assert!(numbers.into_iter().eq((0..100).map(|n| 2 * n)));
}

#[test]
fn children_spawn_children() {
    coracle::block_on(async {
        let seen = RefCell::new(Vec::new());
        scope(async |s| {
            s.spawn(async {
                s.spawn(async {
                    let deepest = s.spawn(async {
                        yield_now().await;
                        seen.borrow_mut().push(3);
                    });
                    deepest.await;
                    seen.borrow_mut().push(2);
                });
                seen.borrow_mut().push(1);
            });
        })
        .await;
        assert_eq!(*seen.borrow(), [1, 3, 2]);
    });
}

/// A function that is given the scope, and calls itself: a tree is walked with a child for each node.
fn walk<'scope, 'env>(s: &'scope Scope<'scope, 'env>, tree: &'scope Tree, sum: &'scope Cell<u32>) {
    for branch in &tree.branches {
        s.spawn(async move {
            yield_now().await;
            walk(s, branch, sum);
        });
    }
    sum.set(sum.get() + tree.weight);
}

struct Tree {
    weight: u32,
    branches: Vec<Tree>,
}

#[test]
fn a_tree_is_walked_by_a_child_a_node() {
    let leaf = |weight| Tree { weight, branches: vec![] };
    let tree = Tree { weight: 1, branches: vec![leaf(2), Tree { weight: 4, branches: vec![leaf(8), leaf(16)] }] };
    let sum = Cell::new(0);
    coracle::block_on(scope(async |s| walk(s, &tree, &sum)));
    assert_eq!(sum.get(), 31);
}

#[test]
fn a_scope_in_a_scope_borrows_from_the_child_around_it() {
    coracle::block_on(async {
        let outer = String::from("outer");
        let length = scope(async |s| {
            let child = s.spawn(async {
                let inner = String::from("inner");
                scope(async |t| {
                    let sum = t.spawn(async { inner.len() + outer.len() });
                    // The outer scope can be used in the inner one, for what lives long enough.
                    let other = s.spawn(async { outer.len() });
                    sum.await + other.await
                })
                .await
            });
            child.await
        })
        .await;
        assert_eq!(length, 15);
    });
}

/// In a task: what it borrows is the task's own.
#[test]
fn a_task_uses_a_scope() {
    coracle::block_on(async {
        let task = coracle::spawn(async {
            let mut counts: HashMap<&str, usize> = HashMap::new();
            let text = String::from("a b a");
            scope(async |s| {
                let text = &text;
                let words = s.spawn(async move { text.split(' ').collect::<Vec<_>>() });
                for word in words.await {
                    *counts.entry(word).or_default() += 1;
                }
            })
            .await;
            (counts["a"], counts["b"])
        });
        assert_eq!(task.await.unwrap(), (2, 1));
    });
}

/// Handles that are awaited by siblings, kept in collections, and given on.
#[test]
fn handles_are_values() {
    async fn after(child: Child<'_, u32>) -> u32 {
        child.await + 1
    }
    let sum = coracle::block_on(scope(async |s| {
        let one = s.spawn(async { 1 });
        let two = s.spawn(after(one));
        let mut three = s.spawn(async move { two.await + 1 });
        assert!(!three.is_finished());
        let sum = (&mut three).await;
        assert!(three.is_finished());
        sum
    }));
    assert_eq!(sum, 3);
}

#[test]
fn errors_go_out_by_question_mark() {
    async fn total(files: &[&str]) -> std::io::Result<usize> {
        let sizes = Cell::new(0);
        try_scope(async |s| {
            for file in files {
                let sizes = &sizes;
                s.try_spawn(async move {
                    yield_now().await;
                    if file.is_empty() {
                        return Err(std::io::ErrorKind::NotFound.into());
                    }
                    sizes.set(sizes.get() + file.len());
                    Ok(())
                });
            }
            Ok(())
        })
        .await?;
        Ok(sizes.get())
    }
    coracle::block_on(async {
        assert_eq!(total(&["abc", "de"]).await.unwrap(), 5);
        assert_eq!(total(&["abc", ""]).await.unwrap_err().kind(), std::io::ErrorKind::NotFound);
        async fn any() -> Result<(), Box<dyn std::error::Error>> {
            try_scope(async |s| {
                s.try_spawn(async { "x".parse::<u8>() });
                Ok(())
            })
            .await?;
            Ok(())
        }
        assert_eq!(any().await.unwrap_err().to_string(), "a child of a scope failed: invalid digit found in string");
    });
}

/// A closure that takes what it uses, and a function instead of a closure.
#[test]
fn bodies_may_move_and_be_functions() {
    async fn body<'scope>(s: &'scope Scope<'scope, '_>) -> u8 {
        s.spawn(async { 5 }).await
    }
    coracle::block_on(async {
        let text = String::from("moved");
        let length = scope(async move |s| {
            let length = s.spawn(async move { text.len() });
            length.await
        });
        assert_eq!(length.await, 5);
        assert_eq!(scope(body).await, 5);
    });
}

/// On a foreign executor: a scope knows no runtime.
#[test]
fn a_scope_runs_on_any_executor() {
    let count = Cell::new(0);
    let mut running = std::pin::pin!(scope(async |s| {
        for _ in 0..3 {
            s.spawn(async { count.set(count.get() + 1) });
        }
    }));
    let (counting, waker) = crate::support::CountingWaker::new();
    let mut polls = 0;
    while running.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending() {
        polls += 1;
        assert_eq!(counting.wakes(), polls, "it is woken when there is something to do");
    }
    assert_eq!(count.get(), 3);
}
