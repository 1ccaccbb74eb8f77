//! Small files with secrets: closed to other users, or refused.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, BufRead, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::Path,
};

use zeroize::Zeroizing;

const MAX_BYTES: u64 = 4096;

/// Reads a file that other users can neither read nor write; says what is wrong with any other.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<String>, String> {
    let named = |error: io::Error| format!("{}: {error}", path.display());
    let metadata = fs::metadata(path).map_err(named)?;
    if !metadata.is_file() || metadata.len() > MAX_BYTES {
        return Err(format!("{} is not a small file", path.display()));
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(format!("{} can be read or written by other users: chmod 600", path.display()));
    }
    fs::read_to_string(path).map(Zeroizing::new).map_err(named)
}

/// Reads such a file, or one line from standard input for `-`.
pub(crate) fn read_or_stdin(path: &Path) -> Result<Zeroizing<String>, String> {
    if path != Path::new("-") {
        return read(path);
    }
    let mut line = Zeroizing::new(String::new());
    io::stdin().lock().take(MAX_BYTES).read_line(&mut line).map_err(|error| format!("standard input: {error}"))?;
    Ok(line)
}

/// Writes or replaces a file that only this user can read, all of it or nothing.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), String> {
    let attempt = || {
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".new");
        // What a crash left there goes, and so does what somebody planted: it might be open to others, or a link.
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    };
    attempt().map_err(|error| format!("{}: {error}", path.display()))
}

/// Makes a directory that only this user can enter, unless it is there.
pub(crate) fn make_directory(path: &Path) -> Result<(), String> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    // proves T62 (files we write)
    #[test]
    fn a_secret_is_never_written_into_a_file_that_was_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let (planted, elsewhere) = (directory.path().join("key.new"), directory.path().join("elsewhere"));

        fs::write(&planted, "").unwrap();
        fs::set_permissions(&planted, fs::Permissions::from_mode(0o666)).unwrap();
        write(&path, "secret").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);

        symlink(&elsewhere, &planted).unwrap();
        write(&path, "another").unwrap();
        assert!(!elsewhere.exists());
        assert_eq!(*read(&path).unwrap(), "another");
    }
}
