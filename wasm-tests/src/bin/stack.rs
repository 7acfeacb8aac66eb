//! Starts, shows, demonstrates and ends the local stack: `just up`, `just status`, `just demo`, `just down`.
use std::{
    io::{self, Write},
    process::ExitCode,
    time::Instant,
};

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use wasm_tests::stack::{AGENT_ROUTE, Part, Settings, Stack, Started, run_demo};

/// The whole of whynot on this machine: etcd, an API server, the explainer, and Envoy with the filter. Loopback only.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: What,
}

#[derive(Subcommand)]
enum What {
    /// Start what does not run, wait until it answers, and leave it running.
    Up(With),
    /// End it.
    Down,
    /// Say what runs where. Exit code 3 when not all of it runs.
    Status,
    /// Show a denial, its explanation and its fix; the stack is started for it when none runs.
    Demo(With),
}

#[derive(clap::Args)]
struct With {
    /// With a small model's server, which the explainer asks for words.
    #[arg(long)]
    model: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse().command, &mut io::stdout().lock()) {
        Ok(code) => code,
        // Somebody reads only the beginning (`| head`): what was asked for was done.
        Err(error)
            if error
                .downcast_ref::<io::Error>()
                .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) =>
        {
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &What, out: &mut dyn Write) -> Result<ExitCode> {
    match command {
        What::Up(with) => {
            let (stack, _) = up(with, out)?;
            show(&stack, out)?;
            Ok(ExitCode::SUCCESS)
        }
        What::Down => {
            let run_dir = Settings::local_run_dir();
            match Stack::running_in(&run_dir)? {
                Some(stack) => {
                    stack.down()?;
                    writeln!(out, "The stack has ended. Its logs are in {}", run_dir.display())?;
                }
                None => writeln!(out, "No stack is running.")?,
            }
            Ok(ExitCode::SUCCESS)
        }
        What::Status => {
            let Some(stack) = Stack::running_in(&Settings::local_run_dir())? else {
                writeln!(out, "No stack is running. `just up` starts one.")?;
                return Ok(ExitCode::from(3));
            };
            show(&stack, out)?;
            let complete = stack.settings().parts.iter().all(|part| stack.is_running(*part));
            Ok(if complete { ExitCode::SUCCESS } else { ExitCode::from(3) })
        }
        What::Demo(with) => {
            let (stack, started) = up(with, out)?;
            let result = run_demo(&stack, out);
            if started == Started::Everything {
                stack.down()?;
            }
            result.map(|()| ExitCode::SUCCESS)
        }
    }
}

fn up(with: &With, out: &mut dyn Write) -> Result<(Stack, Started)> {
    let began = Instant::now();
    let (stack, started) = Stack::up(Settings::local(with.model)?)?;
    if with.model && stack.settings().models().is_none() {
        bail!("the stack that runs has no model: `just down`, and this again");
    }
    match started {
        Started::Nothing => writeln!(out, "The stack is already up.")?,
        Started::Missing => writeln!(
            out,
            "Parts of the stack had ended; they run again after {:.1} s.",
            began.elapsed().as_secs_f32()
        )?,
        Started::Everything => writeln!(out, "The stack is up after {:.1} s.", began.elapsed().as_secs_f32())?,
    }
    Ok((stack, started))
}

fn show(stack: &Stack, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out)?;
    let settings = stack.settings();
    let model = settings
        .models()
        .map(|models| (Part::Model, "model", models.url.clone()));
    let parts = [
        (Part::Envoy, "Envoy, admission", stack.admission_url()),
        (Part::Envoy, "Envoy, admin", stack.admin_url()),
        (Part::Explainer, "explainer", stack.explainer_url()),
        (
            Part::ApiServer,
            "API server",
            format!("https://127.0.0.1:{}", settings.ports.api_server),
        ),
        (Part::Etcd, "etcd", format!("http://127.0.0.1:{}", settings.ports.etcd)),
    ];
    for (part, what, address) in parts.into_iter().chain(model) {
        let state = match stack.process(part).filter(|running| running.is_alive()) {
            Some(running) => format!("pid {}", running.pid()),
            None => "not running".to_owned(),
        };
        writeln!(out, "  {what:<18} {address:<32} {state}")?;
    }
    writeln!(out)?;
    writeln!(out, "  CA          {}", stack.ca_file().display())?;
    writeln!(out, "  logs        {}/*.log", settings.run_dir.display())?;
    writeln!(out, "  use it      export KUBECONFIG={}", stack.kubeconfig().display())?;
    writeln!(out, "  kubectl     {}", settings.programs.kubectl.display())?;
    writeln!(out, "  admin       --token-file {}", settings.token_file().display())?;
    if settings.models().is_some() {
        let token = settings.agent_token_file();
        writeln!(
            out,
            "  ask a model POST {}/v1/chat/completions, model {AGENT_ROUTE}, bearer token in {}",
            stack.explainer_url(),
            token.display()
        )?;
    }
    writeln!(out, "  end it      just down")?;
    Ok(())
}
