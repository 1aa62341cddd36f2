//! What a file has besides its content, its owner and its permissions: the label of SELinux, the access control list, and the
//! attributes that people give it.
//!
//! Holds: what belongs to the content (IMA's digests, capabilities) is not carried over.

use std::fs::File;
use std::io::{self, ErrorKind};

use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fremovexattr, fsetxattr};
use rustix::io::Errno;

/// The label of SELinux. Without it a file has the one of its directory.
const LABEL: &str = "security.selinux";

/// The access control list.
const ACL: &str = "system.posix_acl_access";

/// Those of people.
const OF_USERS: &str = "user.";

/// No list of names and no value is longer.
const LONGEST: usize = 64 << 10;

/// Gives a new file what the one has whose place it takes, and nothing else of it. Permissions are set after this: the list has
/// some of them.
///
/// # Errors
/// The new file cannot have the list, or what people have given to the old one.
pub fn carry_over(from: &File, to: &File) -> io::Result<()> {
    let names = names(from)?;
    for name in &names {
        let value = value(from, name)?;
        if value.is_none() || value == self::value(to, name)? {
            continue;
        }
        let set = fsetxattr(to, name, &value.unwrap_or_default(), XattrFlags::empty());
        // Where a mount gives one label to all its files, and where this may set none, the system's own has to do.
        set.or_else(|error| if name == LABEL { Ok(()) } else { Err(error) }).map_err(|error| {
            io::Error::other(format!("{name} cannot be kept: {}", io::Error::from(error)))
        })?;
    }
    // A directory gives its list to what is made in it.
    if names.iter().all(|name| name != ACL) && value(to, ACL)?.is_some() {
        fremovexattr(to, ACL)?;
    }
    Ok(())
}

/// The names of what is carried over. Where the file system knows no attributes there are none.
fn names(file: &File) -> io::Result<Vec<String>> {
    let mut list = vec![0; LONGEST];
    let length = match flistxattr(file, &mut list) {
        Err(error) if io::Error::from(error).kind() == ErrorKind::Unsupported => return Ok(Vec::new()),
        length => length?,
    };
    let all = list.get(..length).unwrap_or_default().split(|byte| *byte == 0);
    let all = all.filter_map(|name| std::str::from_utf8(name).ok());
    let is_kept = |name: &&str| [LABEL, ACL].contains(name) || name.starts_with(OF_USERS);
    Ok(all.filter(is_kept).map(str::to_owned).collect())
}

fn value(file: &File, name: &str) -> io::Result<Option<Vec<u8>>> {
    let mut value = vec![0; LONGEST];
    match fgetxattr(file, name, &mut value) {
        Ok(length) => {
            value.truncate(length);
            Ok(Some(value))
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those of people, by their names.
    #[test]
    fn a_new_file_has_those_of_the_old_one_and_no_others() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            File::options().read(true).write(true).create_new(true).open(dir.path().join(name)).unwrap()
        };
        let (old, new) = (file("old"), file("new"));
        carry_over(&old, &new).unwrap();
        let long = vec![b'x'; 3000];
        for (name, value) in [("user.a", b"".as_slice()), ("user.b", &long)] {
            if fsetxattr(&old, name, value, XattrFlags::empty()).is_err() {
                // tests/install tells who runs this.
                return;
            }
        }
        carry_over(&old, &new).unwrap();
        carry_over(&old, &new).unwrap();
        assert_eq!(names(&new).unwrap(), names(&old).unwrap());
        assert_eq!(value(&new, "user.a").unwrap(), Some(Vec::new()));
        assert_eq!(value(&new, "user.b").unwrap(), Some(long));
        assert_eq!(value(&new, "user.c").unwrap(), None);
    }
}
