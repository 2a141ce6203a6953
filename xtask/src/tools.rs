//! Tools from the registries of Python and Node: each of one version, in `target`, where it is put when it is missing.

use std::fs;

use crate::{Result, program, root, run};

/// A package of PyPI: where its programs are.
pub(crate) fn python(package: &str, version: &str) -> Result<String> {
    let folder = format!("target/python/{package}-{version}");
    let bin = format!("{folder}/bin");
    once(&folder, || {
        run(&mut program("python3", &["-m", "venv", &folder]))?;
        run(&mut program(
            &format!("{bin}/python"),
            &["-m", "pip", "install", "--quiet", &format!("{package}=={version}")],
        ))
    })?;
    Ok(bin)
}

/// A package of npm: where its programs are.
pub(crate) fn node(package: &str, version: &str) -> Result<String> {
    let folder = format!("target/node/{}-{version}", package.replace('/', "-"));
    let spec = format!("{package}@{version}");
    once(&folder, || {
        let quietly = ["--silent", "--no-audit", "--no-fund"];
        run(program("npm", &["install", "--prefix", &folder]).args(quietly).arg(spec))
    })?;
    Ok(format!("{folder}/node_modules/.bin"))
}

/// Fills a folder, unless it was filled before. One that was begun and not finished is begun anew.
fn once(folder: &str, fill: impl FnOnce() -> Result) -> Result {
    let whole = root().join(folder).join(".whole");
    if whole.exists() {
        return Ok(());
    }
    let _ = fs::remove_dir_all(root().join(folder));
    fill()?;
    fs::write(&whole, "").map_err(|error| format!("{folder}: {error}"))
}
