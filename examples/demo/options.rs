//! The command line.

pub(crate) const USAGE: &str = "\
Usage: cargo run --example demo -- [--check] [--entra] [--image] [--port PORT] [--page-port PORT]
       [--second-port PORT] [--refused-port PORT]

  --check              ask a few questions, print PASS or FAIL for each, and exit 0 or 1
  --entra              let only those in who are signed in, with tokens of an Entra stand-in
  --image              let the page show an image from Azurite, with a SAS made from the storage account's key
  --port PORT          the handler's port; 7071, or a free one when that is taken
  --page-port PORT     the port of the allowed page; 8080, or a free one
  --second-port PORT   the port of the second allowed page; 8082, or a free one
  --refused-port PORT  the port of the refused page; 8081, or a free one
  -h, --help           print this";

/// What the command line asks for; a port is `None` where it says nothing.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) help: bool,
    pub(crate) check: bool,
    pub(crate) entra: bool,
    pub(crate) image: bool,
    pub(crate) port: Option<u16>,
    pub(crate) page_port: Option<u16>,
    pub(crate) second_port: Option<u16>,
    pub(crate) refused_port: Option<u16>,
}

impl Options {
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut arguments = arguments.into_iter();
        let mut options = Self::default();
        while let Some(argument) = arguments.next() {
            let port = match argument.as_str() {
                "-h" | "--help" => {
                    options.help = true;
                    continue;
                }
                "--check" => {
                    options.check = true;
                    continue;
                }
                "--entra" => {
                    options.entra = true;
                    continue;
                }
                "--image" => {
                    options.image = true;
                    continue;
                }
                "--port" => &mut options.port,
                "--page-port" => &mut options.page_port,
                "--second-port" => &mut options.second_port,
                "--refused-port" => &mut options.refused_port,
                _ => return Err(format!("unknown argument: {argument}")),
            };
            let value = arguments
                .next()
                .and_then(|value| value.parse().ok())
                .filter(|&value| value != 0);
            *port = Some(value.ok_or_else(|| format!("{argument} needs a port from 1 to 65535"))?);
        }
        Ok(options)
    }
}
