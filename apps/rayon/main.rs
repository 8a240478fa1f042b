//! Rayon at work on all cores of the instance: parallel iterators, join, sort, scope, a pool of its own.
//! What it prints on standard output is the same for any number of cores; times go to standard error.
//!
//!     rayon-demo [SIZE]      SIZE: how much work, 1 by default
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// The i-th of a fixed sequence of numbers that look like chance.
fn number(i: u64) -> u64 {
    let mut x = i.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn primes(limit: u64) -> usize {
    (2..limit).into_par_iter().filter(|n| (2..).take_while(|d| d * d <= *n).all(|d| n % d != 0)).count()
}

/// Divide and conquer by `join`: the classic.
fn fibonacci(n: u32) -> u64 {
    if n < 2 {
        return u64::from(n);
    }
    if n < 12 {
        return fibonacci(n - 1) + fibonacci(n - 2);
    }
    let (one, other) = rayon::join(|| fibonacci(n - 1), || fibonacci(n - 2));
    one + other
}

/// All ways to put n queens on a board, a task for each beginning.
fn queens(n: u32, row: u32, columns: u32, left: u32, right: u32) -> u64 {
    if row == n {
        return 1;
    }
    let free: Vec<u32> =
        (0..n).map(|c| 1 << c).filter(|place| place & (columns | left | right) == 0).collect();
    let next = |place: &u32| queens(n, row + 1, columns | place, (left | place) << 1, (right | place) >> 1);
    if row < 3 {
        free.par_iter().map(next).sum()
    } else {
        free.iter().map(next).sum()
    }
}

fn sorts(length: usize) {
    let mut numbers: Vec<u64> = (0..length as u64).into_par_iter().map(number).collect();
    let mut names: Vec<String> = numbers.par_iter().take(length / 10).map(|n| format!("{n:x}")).collect();
    let mut stable: Vec<(u64, usize)> = numbers.par_iter().enumerate().map(|(i, n)| (n % 100, i)).collect();

    numbers.par_sort_unstable();
    names.par_sort();
    stable.par_sort_by_key(|pair| pair.0);
    let mixed = numbers.iter().fold(0u64, |hash, n| hash.wrapping_mul(31).wrapping_add(*n));
    println!("sorted: {mixed:x}, first name {}, last {}", names[0], names[names.len() - 1]);
    println!("stable: {}", stable.par_windows(2).all(|pair| pair[0] < pair[1]));
}

fn words(lines: usize) {
    let counts = (0..lines as u64)
        .into_par_iter()
        .fold(HashMap::<u64, u64>::new, |mut counts, i| {
            *counts.entry(number(i) % 1000).or_default() += 1;
            counts
        })
        .reduce(HashMap::new, |mut one, other| {
            for (word, count) in other {
                *one.entry(word).or_default() += count;
            }
            one
        });
    let mut ordered: Vec<_> = counts.into_iter().collect();
    ordered.par_sort_unstable_by_key(|(word, count)| (std::cmp::Reverse(*count), *word));
    println!("most frequent: {:?}", &ordered[..3]);
}

fn scopes() {
    let visited = AtomicU64::new(0);
    let mut table = vec![0u64; 64];

    fn grow<'s>(scope: &rayon::Scope<'s>, visited: &'s AtomicU64, depth: u32) {
        visited.fetch_add(1, Ordering::Relaxed);
        if depth > 0 {
            for _ in 0..3 {
                scope.spawn(move |scope| grow(scope, visited, depth - 1));
            }
        }
    }
    rayon::scope(|scope| grow(scope, &visited, 8));
    rayon::scope(|scope| {
        for (i, cell) in table.iter_mut().enumerate() {
            scope.spawn(move |_| *cell = number(i as u64) % 100);
        }
    });
    println!("scopes: {} visited, table {}", visited.into_inner(), table.iter().sum::<u64>());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("three threads");
    println!("a pool of {}: {}", pool.current_num_threads(), pool.install(|| fibonacci(18)));
    let caught = std::panic::catch_unwind(|| {
        (0..1000).into_par_iter().for_each(|i| {
            if i == 777 {
                std::panic::resume_unwind(Box::new(i));
            }
        });
    });
    println!("a panic comes out: {:?}", caught.unwrap_err().downcast_ref::<i32>());
}

fn timed(what: &str, work: impl FnOnce()) {
    let before = Instant::now();
    work();
    eprintln!("{what}: {:.1} ms", before.elapsed().as_secs_f64() * 1000.0);
}

fn main() {
    let size = std::env::args().nth(1).map_or(1, |word| word.parse().expect("SIZE is a whole number"));

    eprintln!("cores {}", rayon::current_num_threads());
    timed("primes", || println!("primes: {}", primes(100_000 * size)));
    timed("join", || println!("fibonacci: {}", fibonacci(24)));
    timed("queens", || println!("queens: {}", queens(8, 0, 0, 0, 0)));
    timed("sort", || sorts(200_000 * size as usize));
    timed("words", || words(200_000 * size as usize));
    timed("scope", scopes);
}
