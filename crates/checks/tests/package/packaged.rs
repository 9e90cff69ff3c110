//! What scripts/package built: exactly what is published, and fit for any Linux image of Functions.
//!
//! Not part of a plain `cargo test`, which has no package to look at: `scripts/package && cargo test -p checks --test packaged`.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a broken expectation ends a test")]

mod contents;

use std::env::home_dir;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use contents::{CONTENTS, HANDLER, ROOT, files};
use object::read::elf::ElfFile64;
use object::{Architecture, LittleEndian, Object, elf};
use testkit::client::Request;
use testkit::functions_host::{App, FunctionsHost, KEY, Mode};
use testkit::handler::{Environment, Launch, ORIGIN};
use testkit::{Emulator, ReservedPort, Secret};

/// What a cold start has to fetch and map: 8 MB.
const MAX_BYTES: usize = 8_000_000;

/// The parts of glibc.
const LIBRARIES: [&str; 6] = [
    "ld-linux-x86-64.so.2",
    "libc.so.6",
    "libdl.so.2",
    "libm.so.6",
    "libpthread.so.0",
    "librt.so.1",
];

fn dist() -> PathBuf {
    Path::new(ROOT).join("dist")
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}; run scripts/package first", path.display()))
}

/// Unpacks keyvault-cors.zip as the platform does, modes included.
fn unpack(to: &Path) {
    // `extractall` drops the modes.
    let script = "import pathlib, sys, zipfile\n\
        for entry in zipfile.ZipFile(sys.argv[1]).infolist():\n\
        \u{20}path = pathlib.Path(zipfile.ZipFile(sys.argv[1]).extract(entry, sys.argv[2]))\n\
        \u{20}path.chmod(entry.external_attr >> 16 & 0o777)";
    let target = option_env!("CARGO_TARGET_DIR").map_or_else(|| Path::new(ROOT).join("target"), PathBuf::from);
    let unpacked = std::process::Command::new("python3")
        .args(["-c", script])
        .arg(target.join("keyvault-cors.zip"))
        .arg(to)
        .status()
        .unwrap();
    assert!(unpacked.success(), "run scripts/package first");
}

fn handler() -> Vec<u8> {
    read(&dist().join(HANDLER))
}

#[test]
fn dist_is_the_package_and_nothing_else() {
    assert_eq!(files(&dist(), &[]), CONTENTS);

    for file in CONTENTS {
        let (published, ours) = (dist().join(file), Path::new(ROOT).join(file));
        assert!(
            read(&published) == read(&ours),
            "{file} is not the one in the repository"
        );

        let metadata = fs::symlink_metadata(&published).unwrap();
        assert!(metadata.is_file(), "{file}");
        let mode = if file == HANDLER { 0o755 } else { 0o644 };
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{file}");
    }
}

#[test]
fn the_handler_needs_x86_64_and_an_old_glibc_only() {
    let bytes = handler();
    let file = ElfFile64::<LittleEndian>::parse(bytes.as_slice()).unwrap();
    assert_eq!(file.architecture(), Architecture::X86_64);

    let dynamic = file.elf_dynamic_table().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let libraries: Vec<_> = dynamic
        .iter()
        .filter(|entry| entry.tag == elf::DT_NEEDED)
        .map(|entry| text(dynamic.string(entry).unwrap()))
        .collect();
    assert!(libraries.iter().any(|library| library == "libc.so.6"), "{libraries:?}");
    for library in &libraries {
        assert!(LIBRARIES.contains(&library.as_str()), "{library}");
    }

    let (needs, _) = file
        .elf_section_table()
        .gnu_verneed(LittleEndian, bytes.as_slice())
        .unwrap()
        .unwrap();
    let versions: Vec<_> = needs
        .flat_map(|need| need.unwrap().1)
        .map(|version| text(version.unwrap().name(LittleEndian, *dynamic.strings()).unwrap()))
        .collect();
    assert!(versions.len() > 1, "{versions:?}");
    for version in &versions {
        let number = version.strip_prefix("GLIBC_").unwrap_or_else(|| panic!("{version}"));
        let number: Vec<u32> = number.split('.').map(|part| part.parse().unwrap()).collect();
        assert!(number <= vec![2, 17], "{version}");
    }
}

#[test]
fn the_handler_is_small_and_says_nothing_of_the_machine_that_built_it() {
    let bytes = handler();
    assert!(bytes.len() <= MAX_BYTES, "{}", bytes.len());

    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let home = home_dir().filter(|home| home.parent().is_some());
    let machine = [
        Some(Path::new(ROOT).canonicalize().unwrap()),
        Some(target.to_owned()),
        home,
    ];
    let text = String::from_utf8_lossy(&bytes);
    for path in machine.iter().flatten().filter_map(|path| path.to_str()) {
        assert!(!text.contains(path), "{path}");
    }
    for word in [
        "/home/",
        "/root/",
        "/Users/",
        "/tmp/",
        ".cargo",
        ".rustup",
        "index.crates.io",
    ] {
        assert!(!text.contains(word), "{word}");
    }
    // The names that stand for those places: without them, the search above was in the wrong file.
    assert!(text.contains("/cargo/warp-"), "no source of a dependency is named");
}

#[test]
fn the_archive_unpacks_to_dist() {
    let folder = tempfile::tempdir().unwrap();
    unpack(folder.path());
    assert_eq!(files(folder.path(), &[]), CONTENTS);
    for file in CONTENTS {
        let (unpacked, published) = (folder.path().join(file), dist().join(file));
        assert!(read(&unpacked) == read(&published), "{file} differs");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&unpacked), mode(&published), "{file}");
    }
}

#[tokio::test]
async fn the_unpacked_archive_runs_behind_a_functions_host() {
    let folder = tempfile::tempdir().unwrap();
    unpack(folder.path());
    let app = App::read(folder.path()).unwrap();
    let executable = folder.path().join(app.executable());
    let launch = |environment| {
        Launch::new(environment)
            .executable(&executable)
            .directory(folder.path())
    };
    let version = launch(Environment::default()).argument("--version").run().await;
    assert_eq!(version.code, Some(0), "{version:?}");
    assert!(version.stdout.contains(env!("CARGO_PKG_VERSION")), "{version:?}");

    let emulator = Emulator::start().await.unwrap();
    emulator.put("maps-key", Secret::new("pk.a-publishable-key"));
    let reserved = ReservedPort::new();
    let port = reserved.number();
    let environment = Environment::of(&emulator)
        .with("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string())
        .with("FUNCTIONS_APP_ROOT_PATH", folder.path());
    let handler = launch(environment).serve(port).await;
    let host = FunctionsHost::start(app, Mode::Proxying, handler.port(), None)
        .await
        .unwrap();

    let answer = Request::get("/api/secrets/maps-key")
        .origin(ORIGIN)
        .header("x-functions-key", KEY)
        .send(host.port())
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["value"], "pk.a-publishable-key");
}
