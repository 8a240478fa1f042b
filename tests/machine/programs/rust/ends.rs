//! How a Rust program ends; the first argument says which way.
use std::env;
use std::process;
use std::thread;

#[inline(never)]
fn innermost(how: &str) -> usize {
    let list = [1usize, 2, 3];
    match how {
        "index" => list[how.len()],
        "unwrap" => how.parse().unwrap(),
        "divide" => list[0] / (how.len() - 6),
        _ => panic!("a panic of its own: {how}"),
    }
}

/// Each frame points into the one before it: no compiler makes a loop of that.
#[inline(never)]
#[allow(unconditional_recursion)]
fn recursion(before: &[u64; 64]) -> u64 {
    let mut own = *before;
    own[(before[0] % 64) as usize] += 1;
    recursion(&own) + own[3]
}

fn main() {
    let how = env::args().nth(1).unwrap_or_default();
    println!("ends by {how}");
    match how.as_str() {
        "exit" => process::exit(41),
        "abort" => process::abort(),
        "overflow" => println!("{}", recursion(&[0; 64])),
        "thread" => {
            let joined = thread::Builder::new().name("doomed".into()).spawn(|| innermost("index")).unwrap().join();
            println!("joined: {}", joined.is_err());
            process::exit(5)
        }
        _ => println!("{}", innermost(&how)),
    }
}
