//! Rust's files, folders, standard input and environment, in the folder that the first argument names, and
//! a command that may fail.
use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{symlink, FileExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::thread;

fn streams() -> io::Result<()> {
    let mut writer = BufWriter::new(File::create("lines")?);
    for i in 0..10_000 {
        writeln!(writer, "line {i} of them {:.3}", i as f64 / 7.0)?;
    }
    writer.into_inner()?.sync_all()?;
    let lines = BufReader::new(File::open("lines")?).lines().collect::<Result<Vec<_>, _>>()?;
    println!("lines: {} {}", lines.len(), lines.iter().map(String::len).sum::<usize>());
    let mut file = OpenOptions::new().read(true).write(true).create_new(true).open("binary")?;
    for i in 0..1000u64 {
        file.write_all(&(i * i).to_le_bytes())?;
    }
    file.seek(SeekFrom::End(-8))?;
    let mut eight = [0; 8];
    file.read_exact(&mut eight)?;
    println!("last: {}", u64::from_le_bytes(eight));
    file.write_all_at(b"in the middle", 4000)?;
    file.read_exact_at(&mut eight, 4003)?;
    println!("middle: {}", String::from_utf8_lossy(&eight));
    file.set_len(5000)?;
    println!("position: {} length: {}", file.stream_position()?, file.metadata()?.len());
    println!("past the end: {:?}", file.read_exact_at(&mut eight, 4999).unwrap_err().kind());
    let again = OpenOptions::new().write(true).create_new(true).open("binary");
    println!("again: {:?}", again.unwrap_err().kind());
    println!("copied: {}", fs::copy("lines", "copy")?);
    let mut append = OpenOptions::new().append(true).open("copy")?;
    append.write_all(b"the end\n")?;
    println!("appended: {}", fs::metadata("copy")?.len());
    Ok(())
}

fn list(folder: &Path, found: &mut BTreeMap<String, u64>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let name = entry.path().display().to_string();
        if kind.is_dir() {
            list(&entry.path(), found)?;
        } else if kind.is_symlink() {
            found.insert(format!("{name} -> {}", fs::read_link(entry.path())?.display()), 0);
        } else {
            found.insert(name, entry.metadata()?.len());
        }
    }
    Ok(())
}

fn folders() -> io::Result<()> {
    fs::create_dir_all("one/two/three")?;
    for i in 0..30 {
        fs::write(format!("one/two/file{i:02}"), "z".repeat(i * 11))?;
    }
    symlink("two/file03", "one/link")?;
    fs::hard_link("one/two/file04", "one/hard")?;
    fs::rename("one/two/file05", "one/two/three/renamed")?;
    fs::set_permissions("one/two/three/renamed", fs::Permissions::from_mode(0o440))?;
    println!("mode: {:o}", fs::metadata("one/two/three/renamed")?.permissions().mode());
    println!("links: {}", fs::metadata("one/hard")?.nlink());
    let mut found = BTreeMap::new();
    list(Path::new("one"), &mut found)?;
    println!("{found:?}");
    println!("{:?}", fs::remove_dir("one").unwrap_err().raw_os_error());
    println!("{:?}", fs::read("one").unwrap_err().raw_os_error());
    println!("{:?}", File::open("one/nothing").unwrap_err().kind() == ErrorKind::NotFound);
    println!("{:?}", fs::create_dir("one").unwrap_err().kind() == ErrorKind::AlreadyExists);
    println!("{}", fs::canonicalize("one/two/../link")?.ends_with("one/two/file03"));
    fs::remove_dir_all("one/two/three")?;
    println!("{} {}", Path::new("one/two/three").exists(), env::current_dir()?.is_absolute());
    Ok(())
}

fn together() -> io::Result<()> {
    thread::scope(|scope| {
        for own in 0..12 {
            scope.spawn(move || {
                let name = format!("own{own}");
                for round in 0..20usize {
                    fs::write(&name, name.repeat(round)).unwrap();
                    assert_eq!(fs::read_to_string(&name).unwrap().len(), name.len() * round);
                }
                fs::remove_file(&name).unwrap();
            });
        }
    });
    let left = fs::read_dir(".")?.filter(|entry| {
        entry.as_ref().map_or(true, |entry| entry.file_name().to_string_lossy().starts_with("own"))
    });
    println!("together: {} left", left.count());
    Ok(())
}

fn main() -> io::Result<()> {
    env::set_current_dir(env::args().nth(1).expect("a folder"))?;
    streams()?;
    folders()?;
    together()?;
    let mut input = String::new();
    io::stdin().read_to_string(&mut input)?;
    println!("input: {} {}", input.len(), input.lines().count());
    println!("{:?}", env::vars().collect::<BTreeMap<_, _>>());
    // In an instance there are no other processes: an error, and the program goes on.
    match Command::new("/bin/true").status() {
        Ok(status) => eprintln!("a command: {status}"),
        Err(error) => eprintln!("no command: {:?}", error.raw_os_error()),
    }
    io::stdout().write_all(b"half a line")?;
    println!();
    Ok(())
}
