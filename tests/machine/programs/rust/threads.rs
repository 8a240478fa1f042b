//! Rust's threads: spawned, scoped and parked, channels of all kinds, locks, condition variables, barriers,
//! once, thread-local destructors, atomics, panics that are caught and joined.
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{channel, sync_channel, RecvTimeoutError, TrySendError};
use std::sync::{Arc, Barrier, Condvar, Mutex, Once, RwLock};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

static DROPPED: AtomicUsize = AtomicUsize::new(0);

struct Local(Vec<u64>);

impl Drop for Local {
    fn drop(&mut self) {
        DROPPED.fetch_add(self.0.len(), Ordering::SeqCst);
    }
}

thread_local! {
    static LOCAL: RefCell<Local> = RefCell::new(Local(Vec::new()));
}

fn channels() {
    let (sender, receiver) = channel();
    let producers: Vec<_> = (0..8u64)
        .map(|own| {
            let sender = sender.clone();
            thread::spawn(move || {
                for i in 0..2000 {
                    sender.send(own * 2000 + i).unwrap();
                }
            })
        })
        .collect();
    drop(sender);
    println!("channel: {}", receiver.iter().sum::<u64>());
    for producer in producers {
        producer.join().unwrap();
    }
    let (sender, receiver) = sync_channel::<u64>(3);
    let consumer = thread::spawn(move || receiver.iter().fold(0u64, |hash, x| hash.wrapping_mul(31) + x));
    for i in 0..3000 {
        sender.send(i).unwrap();
    }
    drop(sender);
    println!("bounded: {}", consumer.join().unwrap());
    let (sender, receiver) = sync_channel::<u8>(0);
    println!("nobody waits: {}", matches!(sender.try_send(1), Err(TrySendError::Full(1))));
    let before = Instant::now();
    let result = receiver.recv_timeout(Duration::from_millis(10));
    println!(
        "timeout: {} {}",
        result == Err(RecvTimeoutError::Timeout),
        before.elapsed() >= Duration::from_millis(10)
    );
    drop(receiver);
    println!("nobody there: {}", sender.send(1).is_err());
}

fn locks() {
    let count = Mutex::new(0u64);
    let table = RwLock::new(HashMap::new());
    let exact = AtomicU64::new(0);
    let barrier = Barrier::new(6);
    let leaders = AtomicUsize::new(0);
    let once = Once::new();
    thread::scope(|scope| {
        for own in 0..6u64 {
            let (count, table, exact, barrier, leaders, once) =
                (&count, &table, &exact, &barrier, &leaders, &once);
            scope.spawn(move || {
                for i in 0..1500 {
                    *count.lock().unwrap() += i;
                    exact.fetch_add(1, Ordering::Relaxed);
                    if i % 50 == own {
                        table.write().unwrap().insert(own * 10000 + i, i);
                    } else {
                        let _ = table.read().unwrap().get(&i);
                    }
                }
                for _ in 0..100 {
                    if barrier.wait().is_leader() {
                        leaders.fetch_add(1, Ordering::Relaxed);
                    }
                }
                once.call_once(|| {
                    exact.fetch_add(1_000_000, Ordering::Relaxed);
                });
            });
        }
    });
    println!(
        "locks: {} {} {} {}",
        count.into_inner().unwrap(),
        exact.into_inner(),
        table.read().unwrap().len(),
        leaders.into_inner()
    );
    let pair = Arc::new((Mutex::new(0u32), Condvar::new()));
    let other = Arc::clone(&pair);
    let player = thread::spawn(move || {
        let (ball, changed) = &*other;
        for i in 0..1000 {
            let mut at = changed.wait_while(ball.lock().unwrap(), |at| *at != 2 * i + 1).unwrap();
            *at += 1;
            changed.notify_one();
        }
    });
    let (ball, changed) = &*pair;
    for i in 0..1000 {
        let mut at = changed.wait_while(ball.lock().unwrap(), |at| *at != 2 * i).unwrap();
        *at += 1;
        changed.notify_one();
    }
    player.join().unwrap();
    println!("ball: {}", *ball.lock().unwrap());
    let guard = ball.lock().unwrap();
    let (_guard, result) = changed.wait_timeout(guard, Duration::from_millis(5)).unwrap();
    println!("condition: {}", result.timed_out());
}

fn ends_of_threads() {
    thread::scope(|scope| {
        for own in 0..10 {
            scope.spawn(move || LOCAL.with(|local| local.borrow_mut().0.resize(own, 1)));
        }
    });
    // Scoped threads count as ended before their destructors have run; joined ones do not.
    let joined: Vec<_> = (0..10usize)
        .map(|own| thread::spawn(move || LOCAL.with(|local| local.borrow_mut().0.resize(own, 1))))
        .collect();
    for thread in joined {
        thread.join().unwrap();
    }
    println!("dropped: {}", DROPPED.load(Ordering::SeqCst) >= 45);
    let flag = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&flag);
    let parked = thread::Builder::new()
        .name("parked".into())
        .stack_size(256 * 1024)
        .spawn(move || {
            while !seen.load(Ordering::Acquire) {
                thread::park();
            }
            thread::current().name().map(str::to_owned)
        })
        .unwrap();
    flag.store(true, Ordering::Release);
    parked.thread().unpark();
    println!("{:?}", parked.join().unwrap());
    let poisoned = Arc::new(Mutex::new(1));
    let inside = Arc::clone(&poisoned);
    let result = thread::spawn(move || {
        let _guard = inside.lock().unwrap();
        panic!("with the lock held");
    })
    .join();
    println!("joined: {:?}", result.unwrap_err().downcast_ref::<&str>());
    println!("poisoned: {}", poisoned.is_poisoned());
    let caught = panic::catch_unwind(|| {
        let list = vec![1, 2, 3];
        list[list.len()]
    });
    println!("caught: {}", caught.is_err());
    let crowd: Vec<_> = (0..100u64).map(|i| thread::spawn(move || i * i)).collect();
    println!("crowd: {}", crowd.into_iter().map(|t| t.join().unwrap()).sum::<u64>());
}

fn collections() {
    let mut words = HashMap::new();
    let mut seen = HashSet::new();
    let mut ordered = BTreeMap::new();
    let mut state = 12345u64;
    for i in 0..50_000u64 {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        *words.entry(format!("word{}", state >> 52)).or_insert(0u64) += i;
        seen.insert(state >> 48);
        ordered.insert(state >> 40, i);
    }
    let first = ordered.iter().next().unwrap();
    println!("maps: {} {} {:?}", words.values().sum::<u64>(), seen.len() > 30_000, first);
    let mut growing: Vec<u64> = Vec::new();
    for i in 0..500_000 {
        growing.push(i ^ 0x5555);
    }
    growing.sort_unstable_by(|a, b| b.cmp(a));
    growing.dedup();
    println!("vector: {} {}", growing.len(), growing[1000]);
}

fn main() {
    eprintln!("cores {}", thread::available_parallelism().unwrap());
    panic::set_hook(Box::new(|_| {}));
    channels();
    locks();
    ends_of_threads();
    collections();
    let before = SystemTime::now();
    thread::sleep(Duration::from_millis(3));
    println!("slept: {}", before.elapsed().unwrap() >= Duration::from_millis(3));
}
