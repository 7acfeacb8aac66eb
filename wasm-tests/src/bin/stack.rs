//! Starts, shows, demonstrates and ends the local stack: `just up`, `just status`, `just demo`, `just down`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool")]

use std::{io, process::ExitCode, time::Instant};

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
    match run(&Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &What) -> Result<ExitCode> {
    let settings = Settings::local()?;
    match command {
        What::Up => {
            show(&up(settings)?.0);
            Ok(ExitCode::SUCCESS)
        }
        What::Down => {
            match Stack::running_in(&settings.run_dir)? {
                Some(stack) => {
                    stack.down()?;
                    println!("The stack has ended. Its logs are in {}", settings.run_dir.display());
                }
                None => println!("No stack is running."),
            }
            Ok(ExitCode::SUCCESS)
        }
        What::Status => {
            let Some(stack) = Stack::running_in(&settings.run_dir)? else {
                println!("No stack is running. `just up` starts one.");
                return Ok(ExitCode::from(3));
            };
            show(&stack);
            let complete = Part::ALL.into_iter().all(|part| stack.is_running(part));
            Ok(if complete { ExitCode::SUCCESS } else { ExitCode::from(3) })
        }
        What::Demo => {
            let (stack, started) = up(settings)?;
            let result = run_demo(&stack, &mut io::stdout());
            if started == Started::Everything {
                stack.down()?;
            }
            result.map(|()| ExitCode::SUCCESS)
        }
    }
}

fn up(settings: Settings) -> Result<(Stack, Started)> {
    let began = Instant::now();
    let (stack, started) = Stack::up(settings)?;
    match started {
        Started::Nothing => println!("The stack is already up."),
        Started::Missing => println!(
            "Parts of the stack had ended; they run again after {:.1} s.",
            began.elapsed().as_secs_f32()
        ),
        Started::Everything => println!("The stack is up after {:.1} s.", began.elapsed().as_secs_f32()),
    }
    Ok((stack, started))
}

fn show(stack: &Stack) {
    println!();
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
        println!("  {what:<18} {address:<32} {state}");
    }
    println!();
    println!("  CA          {}", stack.ca_file().display());
    println!("  logs        {}/*.log", stack.settings().run_dir.display());
    println!("  use it      export KUBECONFIG={}", stack.kubeconfig().display());
    println!("  kubectl     {}", stack.settings().programs.kubectl.display());
    println!("  end it      just down");
}
