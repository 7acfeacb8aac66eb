//! Starts, shows, demonstrates and ends the local stack: `just up`, `just status`, `just demo`, `just down`.
use std::{
    io::{self, Write},
    process::ExitCode,
    time::Instant,
};

use anyhow::Result;
use clap::{Parser, Subcommand};
use wasm_tests::stack::{Part, Settings, Stack, Started, run_demo};

/// The whole of whynot on this machine: etcd, an API server, the explainer, and Envoy with the filter. Loopback only.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: What,
}

#[derive(Subcommand)]
enum What {
    /// Start what does not run, wait until it answers, and leave it running.
    Up,
    /// End it.
    Down,
    /// Say what runs where. Exit code 3 when not all of it runs.
    Status,
    /// Show a denial, its explanation and its fix; the stack is started for it when none runs.
    Demo,
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
    let settings = Settings::local()?;
    match command {
        What::Up => {
            let (stack, _) = up(settings, out)?;
            show(&stack, out)?;
            Ok(ExitCode::SUCCESS)
        }
        What::Down => {
            match Stack::running_in(&settings.run_dir)? {
                Some(stack) => {
                    stack.down()?;
                    writeln!(
                        out,
                        "The stack has ended. Its logs are in {}",
                        settings.run_dir.display()
                    )?;
                }
                None => writeln!(out, "No stack is running.")?,
            }
            Ok(ExitCode::SUCCESS)
        }
        What::Status => {
            let Some(stack) = Stack::running_in(&settings.run_dir)? else {
                writeln!(out, "No stack is running. `just up` starts one.")?;
                return Ok(ExitCode::from(3));
            };
            show(&stack, out)?;
            let complete = Part::ALL.into_iter().all(|part| stack.is_running(part));
            Ok(if complete { ExitCode::SUCCESS } else { ExitCode::from(3) })
        }
        What::Demo => {
            let (stack, started) = up(settings, out)?;
            let result = run_demo(&stack, out);
            if started == Started::Everything {
                stack.down()?;
            }
            result.map(|()| ExitCode::SUCCESS)
        }
    }
}

fn up(settings: Settings, out: &mut dyn Write) -> Result<(Stack, Started)> {
    let began = Instant::now();
    let (stack, started) = Stack::up(settings)?;
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
    for (part, what, address) in [
        (Part::Envoy, "Envoy, admission", stack.admission_url()),
        (Part::Envoy, "Envoy, admin", stack.admin_url()),
        (Part::Explainer, "explainer", stack.explainer_url()),
        (
            Part::ApiServer,
            "API server",
            format!("https://127.0.0.1:{}", stack.settings().ports.api_server),
        ),
        (
            Part::Etcd,
            "etcd",
            format!("http://127.0.0.1:{}", stack.settings().ports.etcd),
        ),
    ] {
        let state = match stack.process(part).filter(|running| running.is_alive()) {
            Some(running) => format!("pid {}", running.pid()),
            None => "not running".to_owned(),
        };
        writeln!(out, "  {what:<18} {address:<32} {state}")?;
    }
    writeln!(out)?;
    writeln!(out, "  CA          {}", stack.ca_file().display())?;
    writeln!(out, "  logs        {}/*.log", stack.settings().run_dir.display())?;
    writeln!(out, "  use it      export KUBECONFIG={}", stack.kubeconfig().display())?;
    writeln!(out, "  kubectl     {}", stack.settings().programs.kubectl.display())?;
    writeln!(out, "  end it      just down")?;
    Ok(())
}
