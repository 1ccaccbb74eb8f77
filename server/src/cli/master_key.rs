//! `roompass master-key`: making one, and sealing everything again with another.

use std::path::PathBuf;

use clap::Subcommand;
use rand::rngs::SysRng;
use serde_json::json;

use super::{Failure, StoreArgs, say};
use crate::{config, private_file, sealing::MasterKey, sealing::Sealer};

#[derive(Debug, Subcommand)]
pub(super) enum MasterKeyCommand {
    /// Make a master key
    Generate {
        /// Put it into this new file, of mode 0600, instead of printing it
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Seal every secret again with a new key. Running servers go on with what they know, refuse changes that need
    /// the key, and say so in their logs; then give them the new key and restart them one by one
    Rotate {
        /// A file with the new key, closed to other users; `master-key generate` makes it
        #[arg(long, value_name = "FILE")]
        new_key_file: PathBuf,
        #[command(flatten)]
        store: StoreArgs,
    },
}

impl MasterKeyCommand {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Generate { out } => generate(out),
            Self::Rotate { new_key_file, store } => rotate(new_key_file, &store).await,
        }
    }
}

fn generate(out: Option<PathBuf>) -> Result<(), Failure> {
    let key = MasterKey::generate(&mut SysRng).map_err(|error| error.to_string())?;
    match out {
        None => say(&key.expose()),
        Some(path) if path.exists() => {
            return Err(Failure(format!("{} is there already: data may be sealed with it", path.display())));
        }
        Some(path) => {
            private_file::write(&path, &format!("{}\n", *key.expose()))?;
            say(&format!("written to {}; keep a copy elsewhere, apart from the backups", path.display()));
        }
    }
    Ok(())
}

async fn rotate(new_key_file: PathBuf, store: &StoreArgs) -> Result<(), Failure> {
    let new = config::read_master_key(&new_key_file)?;
    // After a rotation whose end nobody saw, the data opens with the new key only.
    let count = match store.open_with(new.clone()).await {
        Ok(_) => 0,
        Err(_) => store.open().await?.admin.reseal(Sealer::new(&new)).await?,
    };
    store.print(&json!({ "resealed": count }), || match count {
        0 => "everything is sealed with that key already".to_owned(),
        count => format!(
            "{count} values sealed again. Next: put {} in the place of the old key, and restart every server. Backups \
             made before need the old key: keep it as long as them.",
            new_key_file.display()
        ),
    });
    Ok(())
}
