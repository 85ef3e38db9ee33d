//! `--shard auto`: which of how many tasks this is, as the engines say that run many.

use std::fmt::Write;

use synprobe::error::{Error, Result};
use synprobe::target::Shard;

/// An engine that runs the same command many times, and the variables it gives each task.
struct Engine {
    name: &'static str,
    /// The task's number.
    number: &'static str,
    first: First,
    /// How far numbers are apart, if that is said.
    step: Option<&'static str>,
    /// The highest number, if that is said.
    last: Option<&'static str>,
    /// How many tasks there are, if that is said.
    count: Option<&'static str>,
}

/// The lowest number.
#[derive(Clone, Copy)]
enum First {
    Is(u32),
    In(&'static str),
}

/// The Job API of Kubernetes (`completionMode: Indexed`), sbatch(1) of Slurm, "AWS Batch job environment variables", Nomad's "Runtime
/// environment settings" and parallel(1).
const ENGINES: [Engine; 5] = [
    Engine { name: "a Kubernetes Indexed Job", number: "JOB_COMPLETION_INDEX", first: First::Is(0), step: None, last: None, count: None },
    Engine {
        name: "a Slurm array",
        number: "SLURM_ARRAY_TASK_ID",
        first: First::In("SLURM_ARRAY_TASK_MIN"),
        step: Some("SLURM_ARRAY_TASK_STEP"),
        last: Some("SLURM_ARRAY_TASK_MAX"),
        count: Some("SLURM_ARRAY_TASK_COUNT"),
    },
    Engine {
        name: "an AWS Batch array",
        number: "AWS_BATCH_JOB_ARRAY_INDEX",
        first: First::Is(0),
        step: None,
        last: None,
        count: Some("AWS_BATCH_JOB_ARRAY_SIZE"),
    },
    Engine { name: "a Nomad group", number: "NOMAD_ALLOC_INDEX", first: First::Is(0), step: None, last: None, count: None },
    Engine { name: "GNU parallel", number: "PARALLEL_SEQ", first: First::Is(1), step: None, last: None, count: None },
];

/// How many shards there are, where the engine does not say.
pub(super) const COUNT: &str = "SYNPROBE_SHARDS";

/// Looks variables up.
pub(super) type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The shard that the environment names, of `typed` ones if a number was typed.
pub(super) fn shard(typed: Option<u32>, variables: Variables<'_>) -> Result<Shard> {
    let set: Vec<(&Engine, String)> = ENGINES.iter().filter_map(|engine| Some((engine, variable(variables, engine.number)?))).collect();
    match &set[..] {
        [(engine, number)] => engine.shard(number, typed, variables),
        [] => {
            let names = ENGINES.map(|engine| engine.number).join(", ");
            Err(refused(format_args!("no engine says which task this is: none of {names} is set"))
                .hint("--shard K/N says it, for example --shard 2/8"))
        }
        several => {
            let all = several.iter().map(|(engine, number)| format!("{}={number} ({})", engine.number, engine.name)).collect::<Vec<_>>();
            let (engine, _) = several[0];
            let plus = if matches!(engine.first, First::Is(1)) { "" } else { "+1" };
            let hint = format!(
                "say which is meant, for example --shard $(({}{plus}))/{}",
                engine.number,
                typed.map_or("N".to_owned(), |n| n.to_string())
            );
            Err(refused(format_args!("more than one engine says which task this is: {}", all.join(", "))).hint(hint))
        }
    }
}

impl Engine {
    fn shard(&self, number: &str, typed: Option<u32>, variables: Variables<'_>) -> Result<Shard> {
        let count = self.count(typed, variables)?;
        let first = match self.first {
            First::Is(first) => first,
            First::In(name) => read(name, variables)?.unwrap_or(0),
        };
        let step = self.step.map(|name| read(name, variables)).transpose()?.flatten().unwrap_or(1).max(1);
        let place = |name: &str, number: u32| {
            let above = number.checked_sub(first).filter(|above| above % step == 0)?;
            Shard::new((above / step).checked_add(1)?, count).ok_or(name).ok()
        };
        let last = self.last.map(|name| read(name, variables)).transpose()?.flatten();
        let is_uneven = last.is_some_and(|last| place(self.number, last).is_none_or(|shard| shard.number() != count));
        let own = parse(self.number, number)?;
        match place(self.number, own) {
            Some(shard) if !is_uneven => Ok(shard),
            _ => {
                let mut said = format!("{}={number} is no task of {count}", self.number);
                if first > 0 || step > 1 || last.is_some() {
                    _ = write!(
                        said,
                        " that are numbered from {first}{}",
                        if step > 1 { format!(" in steps of {step}") } else { String::new() }
                    );
                }
                let hint = format!("number the tasks evenly, {}, or say which it is: --shard K/N", self.evenly(count));
                Err(refused(said).hint(hint))
            }
        }
    }

    fn evenly(&self, count: u32) -> String {
        match self.first {
            First::In(_) => format!("--array=0-{}", count - 1),
            First::Is(first) => format!("from {first} to {}", first + (count - 1)),
        }
    }

    /// How many tasks there are: by the engine, as typed, or by a variable of our own. All that say it have to agree.
    fn count(&self, typed: Option<u32>, variables: Variables<'_>) -> Result<u32> {
        let by_engine =
            self.count.map(|name| Ok((name, read(name, variables)?))).transpose()?.and_then(|(name, count)| Some((name, count?)));
        let own = read(COUNT, variables)?.map(|count| (COUNT, count));
        let said = [typed.map(|count| ("--shard auto/N", count)), by_engine, own].into_iter().flatten().collect::<Vec<_>>();
        let Some(&(name, count)) = said.first() else {
            let cause = format!("{} does not say how many tasks there are", self.name);
            return Err(refused(cause).hint(format_args!("--shard auto/8 says it, or {COUNT}=8 in the environment")));
        };
        if let Some((other, differs)) = said.iter().find(|(_, other)| *other != count) {
            let cause = format!("{name} says that there are {count} tasks, and {other} {differs}");
            return Err(refused(cause).hint("a task that is run alone needs --shard K/N"));
        }
        if count == 0 { Err(refused(format_args!("{name} says that there are 0 tasks"))) } else { Ok(count) }
    }
}

fn variable(variables: Variables<'_>, name: &str) -> Option<String> {
    variables(name).filter(|value| !value.trim().is_empty())
}

fn read(name: &str, variables: Variables<'_>) -> Result<Option<u32>> {
    variable(variables, name).map(|value| parse(name, &value)).transpose()
}

fn parse(name: &str, value: &str) -> Result<u32> {
    let number = value.trim();
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = if digits { number.parse().ok() } else { None };
    parsed.ok_or_else(|| {
        refused(format_args!("{name}='{}' is no number of a task", value.escape_debug())).hint("--shard K/N says which it is")
    })
}

fn refused(cause: impl std::fmt::Display) -> Error {
    Error::asked("read", "--shard auto", cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(environment: &str, typed: Option<u32>) -> Result<String, String> {
        let variables: Vec<_> = environment.split_whitespace().filter_map(|word| word.split_once('=')).collect();
        let lookup = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        shard(typed, &lookup).map(|shard| shard.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn each_engine_numbers_its_tasks_in_its_own_way() {
        for (environment, typed, expected) in [
            ("JOB_COMPLETION_INDEX=0", Some(8), "1/8"),
            ("JOB_COMPLETION_INDEX=7 SYNPROBE_SHARDS=8", None, "8/8"),
            ("JOB_COMPLETION_INDEX=7 SYNPROBE_SHARDS=8", Some(8), "8/8"),
            (
                "SLURM_ARRAY_TASK_ID=3 SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_MAX=7 SLURM_ARRAY_TASK_COUNT=8 SLURM_ARRAY_TASK_STEP=1",
                None,
                "4/8",
            ),
            ("SLURM_ARRAY_TASK_ID=1 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_MAX=4 SLURM_ARRAY_TASK_COUNT=4", None, "1/4"),
            (
                "SLURM_ARRAY_TASK_ID=5 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_MAX=7 SLURM_ARRAY_TASK_COUNT=4 SLURM_ARRAY_TASK_STEP=2",
                None,
                "3/4",
            ),
            ("AWS_BATCH_JOB_ARRAY_INDEX=9 AWS_BATCH_JOB_ARRAY_SIZE=10", None, "10/10"),
            ("NOMAD_ALLOC_INDEX=2", Some(3), "3/3"),
            ("PARALLEL_SEQ=1", Some(8), "1/8"),
            ("PARALLEL_SEQ=8 JOB_COMPLETION_INDEX=", Some(8), "8/8"),
        ] {
            assert_eq!(found(environment, typed).as_deref(), Ok(expected), "{environment}");
        }
    }

    #[test]
    fn what_is_missing_double_or_nonsense_is_named_with_what_to_write() {
        for (environment, typed, words) in [
            ("", Some(8), &["none of JOB_COMPLETION_INDEX, SLURM_ARRAY_TASK_ID,", "--shard 2/8"][..]),
            ("JOB_COMPLETION_INDEX=2", None, &["a Kubernetes Indexed Job does not say how many", "--shard auto/8", "SYNPROBE_SHARDS=8"]),
            (
                "JOB_COMPLETION_INDEX=2 PARALLEL_SEQ=4",
                Some(8),
                &[
                    "JOB_COMPLETION_INDEX=2 (a Kubernetes Indexed Job), PARALLEL_SEQ=4 (GNU parallel)",
                    "--shard $((JOB_COMPLETION_INDEX+1))/8",
                ],
            ),
            ("JOB_COMPLETION_INDEX=x", Some(8), &["JOB_COMPLETION_INDEX='x' is no number of a task"]),
            ("JOB_COMPLETION_INDEX=-1", Some(8), &["is no number of a task"]),
            ("JOB_COMPLETION_INDEX=8", Some(8), &["JOB_COMPLETION_INDEX=8 is no task of 8", "from 0 to 7"]),
            ("PARALLEL_SEQ=0", Some(8), &["PARALLEL_SEQ=0 is no task of 8", "from 1 to 8"]),
            ("PARALLEL_SEQ=0", Some(u32::MAX), &["from 1 to 4294967295"]),
            ("PARALLEL_SEQ=4294967296", Some(8), &["is no number of a task"]),
            ("NOMAD_ALLOC_INDEX=0 SYNPROBE_SHARDS=0", None, &["SYNPROBE_SHARDS says that there are 0 tasks"]),
            ("NOMAD_ALLOC_INDEX=0 SYNPROBE_SHARDS=4", Some(8), &["--shard auto/N says that there are 8 tasks, and SYNPROBE_SHARDS 4"]),
            // An array of one: the failed task of eight, run again.
            (
                "SLURM_ARRAY_TASK_ID=3 SLURM_ARRAY_TASK_MIN=3 SLURM_ARRAY_TASK_MAX=3 SLURM_ARRAY_TASK_COUNT=1",
                Some(8),
                &["SLURM_ARRAY_TASK_COUNT 1", "a task that is run alone needs --shard K/N"],
            ),
            // --array=1,2,9: what is in even steps for the first two is not for the third.
            (
                "SLURM_ARRAY_TASK_ID=2 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_MAX=9 SLURM_ARRAY_TASK_COUNT=3",
                None,
                &["SLURM_ARRAY_TASK_ID=2 is no task of 3 that are numbered from 1", "--array=0-2"],
            ),
        ] {
            let error = found(environment, typed).unwrap_err();
            assert!(words.iter().all(|word| error.contains(word)), "{environment}: {error}");
        }
    }
}
