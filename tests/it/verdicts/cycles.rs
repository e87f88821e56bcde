//! Circles of tasks that wait for each other.

use std::cell::RefCell;
use std::rc::Rc;

use coracle::Runtime;
use coracle::sync::{Mutex, Notify, RwLock};
use coracle::task::{JoinHandle, yield_now};

use super::table;

type Place = Rc<RefCell<Option<JoinHandle<()>>>>;

async fn join(place: Place) {
    yield_now().await;
    let handle = place.borrow_mut().take().unwrap();
    handle.await.unwrap();
}

#[test]
fn two_tasks_that_join_each_other() {
    let runtime = Runtime::new();
    let line = line!() + 1;
    let stall = runtime.try_block_on(async {
        let (one, other) = (Place::default(), Place::default());
        let first = coracle::spawn(join(other.clone()));
        let second = coracle::spawn(join(one.clone()));
        *one.borrow_mut() = Some(first);
        *other.borrow_mut() = Some(second);
        Notify::new().notified().await;
    });
    // A handle is its task's from the spawn on, so that is the line which it says.
    let expected = [
        format!("task 1, spawned at cycles:{line}"),
        format!("    waits for a notification at cycles:{}", line + 6),
        format!("task 2, spawned at cycles:{}", line + 2),
        format!("    waits for the end of task 3 at cycles:{}", line + 3),
        format!("task 3, spawned at cycles:{}", line + 3),
        format!("    waits for the end of task 2 at cycles:{}", line + 2),
        "cycle: task 2 waits for task 3, which waits for task 2".to_owned(),
    ];
    assert_eq!(table(&stall.unwrap_err()), expected);
}

#[test]
fn a_task_that_joins_itself() {
    let runtime = Runtime::new();
    let stall = runtime.try_block_on(async {
        let place = Place::default();
        *place.borrow_mut() = Some(coracle::spawn(join(place.clone())));
        Notify::new().notified().await;
    });
    assert_eq!(table(&stall.unwrap_err()).last().unwrap(), "cycle: task 2 waits for itself");
}

#[test]
fn three_tasks_and_three_mutexes() {
    let runtime = Runtime::new();
    let mutexes: Rc<[Mutex<()>; 3]> = Rc::default();
    let line = line!() + 1;
    let both = |first: usize, second: usize, mutexes: Rc<[Mutex<()>; 3]>| async move {
        let _one = mutexes[first].lock().await;
        yield_now().await;
        let _other = mutexes[second].lock().await;
    };
    let stall = runtime.try_block_on(async {
        let tasks = [(0, 1), (1, 2), (2, 0)].map(|(one, other)| coracle::spawn(both(one, other, mutexes.clone())));
        for task in tasks {
            task.await.unwrap();
        }
    });
    let mut expected = vec![
        format!("task 1, spawned at cycles:{}", line + 5),
        format!("    waits for the end of task 2 at cycles:{}", line + 6),
    ];
    for (task, holder) in [(2, 3), (3, 4), (4, 2)] {
        expected.push(format!("task {task}, spawned at cycles:{}", line + 6));
        let held = format!("which task {holder} has since cycles:{}", line + 1);
        expected.push(format!("    waits for a mutex at cycles:{}, {held}", line + 3));
    }
    expected.push("cycle: task 2 waits for task 3, which waits for task 4, which waits for task 2".to_owned());
    assert_eq!(table(&stall.unwrap_err()), expected);
}

#[test]
fn a_lock_and_a_join_make_a_circle_too() {
    let runtime = Runtime::new();
    let lock = Rc::new(RwLock::new(()));
    let line = line!() + 1;
    let stall = runtime.try_block_on(async {
        let _guard = lock.write().await;
        let other = lock.clone();
        let task = coracle::spawn(async move { drop(other.read().await) });
        task.await.unwrap();
    });
    let expected = [
        format!("task 1, spawned at cycles:{line}"),
        format!("    waits for the end of task 2 at cycles:{}", line + 3),
        format!("task 2, spawned at cycles:{}", line + 3),
        format!("    waits for a lock, to read at cycles:{}, which task 1 has since cycles:{}", line + 3, line + 1),
        "cycle: task 1 waits for task 2, which waits for task 1".to_owned(),
    ];
    assert_eq!(table(&stall.unwrap_err()), expected);
}
