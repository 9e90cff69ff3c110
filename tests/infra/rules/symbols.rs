//! What a Bicep compiler would refuse, and what it would wait for.

use std::collections::{BTreeMap, BTreeSet};

use super::{Findings, Rule, once, scenarios};
use crate::bicep::File;
use crate::expr::{Expr, Kind, Piece};
use crate::project::{Project, RESOURCES};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "declared",
        why: "A name that nothing declares does not compile.",
        check: undeclared,
    },
    Rule {
        name: "declared once",
        why: "A name that is declared twice does not compile.",
        check: declared_twice,
    },
    Rule {
        name: "used",
        why: "A parameter that nothing uses promises what it does not keep.",
        check: unused,
    },
    Rule {
        name: "known functions",
        why: "Only these are needed. A list* function would read keys, and put them in the deployment's history.",
        check: functions,
    },
    Rule {
        name: "module parameters",
        why: "A parameter that a module does not have, or lacks, does not compile.",
        check: module_parameters,
    },
    Rule {
        name: "module parameter types",
        why: "Where a parameter has @allowed values Bicep takes no text, number or bool that it cannot know (BCP036), but `any()`.",
        check: narrow_parameters,
    },
    Rule {
        name: "guarded",
        why: "Azure looks up what is outside a choice even for a resource whose condition is false, and it is not there.",
        check: unguarded,
    },
    Rule {
        name: "no cycle",
        why: "Azure refuses resources that wait for each other.",
        check: cycles,
    },
    Rule {
        name: "order",
        why: "The app reads the vault as soon as it starts: what lets it has to be there before.",
        check: order,
    },
    Rule {
        name: "versions",
        why: "Other versions have other properties, older ones of Key Vault are retired, and previews may go at any time.",
        check: versions,
    },
    Rule {
        name: "deploys",
        why: "Each combination of parameters that the documents speak of has to be one that Azure takes.",
        check: |project| Ok(scenarios(project).err().into_iter().collect()),
    },
];

const FUNCTIONS: &[&str] = &[
    "any",
    "concat",
    "contains",
    "deployment",
    "empty",
    "environment",
    "guid",
    "replace",
    "resourceGroup",
    "resourceId",
    "split",
    "string",
    "subscription",
    "subscriptionResourceId",
    "substring",
    "toLower",
    "union",
    "uniqueString",
];
const DECORATORS: &[&str] = &[
    "allowed",
    "description",
    "maxLength",
    "maxValue",
    "minLength",
    "minValue",
];

const VERSIONS: &[(&str, &str)] = &[
    ("Microsoft.Authorization/", "2022-04-01"),
    ("Microsoft.Insights/components", "2020-02-02"),
    // There is no other version for diagnostic settings: the only preview.
    ("Microsoft.Insights/diagnosticSettings", "2021-05-01-preview"),
    ("Microsoft.KeyVault/", "2026-02-01"),
    ("Microsoft.ManagedIdentity/", "2024-11-30"),
    // DNS zones have versions of their own.
    ("Microsoft.Network/privateDnsZones", "2024-06-01"),
    ("Microsoft.Network/", "2025-05-01"),
    ("Microsoft.OperationalInsights/", "2025-02-01"),
    ("Microsoft.Resources/", "2025-04-01"),
    ("Microsoft.Storage/", "2025-06-01"),
    ("Microsoft.Web/", "2025-03-01"),
];

fn in_each_file(project: &Project, check: impl Fn(&str, &File) -> Vec<String>) -> Findings {
    Ok(project
        .files
        .iter()
        .flat_map(|(path, file)| check(path, file))
        .collect())
}

fn undeclared(project: &Project) -> Findings {
    in_each_file(project, |path, file| {
        let declared: BTreeSet<&str> = file.symbols().into_iter().map(|(name, _)| name).collect();
        let uses = file.expressions().into_iter().flat_map(Expr::symbols);
        let unknown = uses.filter(|(name, _)| !declared.contains(name));
        unknown
            .map(|(name, line)| format!("{path}:{line}: {name} is not declared"))
            .collect()
    })
}

fn declared_twice(project: &Project) -> Findings {
    in_each_file(project, |path, file| {
        let mut seen = BTreeSet::new();
        let outputs = file.outputs.iter().map(|it| (format!("output {}", it.name), it.line));
        let symbols = file.symbols().into_iter().map(|(name, line)| (name.to_owned(), line));
        let again = symbols.chain(outputs).filter(|(name, _)| !seen.insert(name.clone()));
        again
            .map(|(name, line)| format!("{path}:{line}: {name} is declared again"))
            .collect()
    })
}

fn unused(project: &Project) -> Findings {
    in_each_file(project, |path, file| {
        let used: BTreeSet<&str> = file
            .expressions()
            .into_iter()
            .flat_map(Expr::symbols)
            .map(|it| it.0)
            .collect();
        // A parameter that only has to be valid is used by its being there.
        let params = file
            .params
            .iter()
            .filter(|it| it.decorator("allowed").is_none_or(|list| list.text != "[ true ]"));
        let params = params.map(|it| (&it.name, it.line));
        let declared = params.chain(file.vars.iter().map(|it| (&it.name, it.line)));
        let idle = declared.filter(|(name, _)| !used.contains(name.as_str()));
        idle.map(|(name, line)| format!("{path}:{line}: {name} is never used"))
            .collect()
    })
}

fn functions(project: &Project) -> Findings {
    in_each_file(project, |path, file| {
        let decorators = file.params.iter().flat_map(|it| &it.decorators);
        let decorators: BTreeSet<usize> = decorators.map(|it| it.line).collect();
        let calls = file.expressions().into_iter().flat_map(Expr::walk);
        let unknown = calls.filter_map(|expr| match &expr.kind {
            Kind::Call(name, _) if decorators.contains(&expr.line) && DECORATORS.contains(&name.as_str()) => None,
            Kind::Call(name, _) if !FUNCTIONS.contains(&name.as_str()) => Some((name, expr.line)),
            _ => None,
        });
        unknown.map(|(name, line)| format!("{path}:{line}: {name}()")).collect()
    })
}

fn module_parameters(project: &Project) -> Findings {
    in_each_file(project, |path, file| {
        let mut findings = Vec::new();
        for module in &file.modules {
            let at = format!("{path}:{}", module.line);
            let Some(target) = project.files.get(&Project::module_path(path, &module.path)) else {
                findings.push(format!("{at}: there is no {}", module.path));
                continue;
            };
            let given = module.body.get("params").map_or(&[][..], Expr::entries);
            let given: BTreeSet<&str> = given.iter().map(|(key, _)| key.key()).collect();
            let known: BTreeSet<&str> = target.params.iter().map(|it| it.name.as_str()).collect();
            let needed = target.params.iter().filter(|it| it.default.is_none());
            let missing = needed.filter(|it| !given.contains(it.name.as_str()));
            findings.extend(missing.map(|it| format!("{at}: {} needs {}", module.path, it.name)));
            findings.extend(
                given
                    .difference(&known)
                    .map(|it| format!("{at}: {} has no {it}", module.path)),
            );
        }
        findings
    })
}

/// The values for parameters with @allowed values that Bicep would not take.
fn narrow_parameters(project: &Project) -> Findings {
    in_each_file(project, |path, file| {
        let mut findings = Vec::new();
        for module in &file.modules {
            let target = project.files.get(&Project::module_path(path, &module.path));
            let given = module.body.get("params").map_or(&[][..], Expr::entries);
            for (key, value) in given {
                let narrow = target.is_some_and(|target| {
                    let mut params = target.params.iter();
                    params.any(|it| it.name == key.key() && it.decorator("allowed").is_some())
                });
                if narrow && !is_narrow(value, file) {
                    findings.push(format!("{path}:{}: {} is given {}", value.line, key.key(), value.text));
                }
            }
        }
        findings
    })
}

/// Whether Bicep knows the values that `value` can have, or is told not to ask. A parameter passes: it may have any value.
fn is_narrow(value: &Expr, file: &File) -> bool {
    match &value.kind {
        Kind::Text(pieces) => pieces.iter().all(|piece| matches!(piece, Piece::Plain(_))),
        Kind::Number(_) | Kind::Bool(_) => true,
        Kind::Name(name) => file.params.iter().any(|it| it.name == *name),
        Kind::Call(function, _) => function == "any",
        Kind::Choice(_, yes, no) => is_narrow(yes, file) && is_narrow(no, file),
        _ => false,
    }
}

/// What Azure would look up of a resource or module that may not be there.
fn unguarded(project: &Project) -> Findings {
    in_each_file(project, |path, file| {
        let resources = file
            .resources
            .iter()
            .filter(|it| it.condition.is_some())
            .map(|it| it.name.as_str());
        let modules = file
            .modules
            .iter()
            .filter(|it| it.condition.is_some())
            .map(|it| it.name.as_str());
        let conditional: BTreeSet<&str> = resources.chain(modules).collect();
        let all = file.expressions().into_iter().flat_map(|it| it.outside_choices());
        let looked_up = all.filter_map(|expr| match &expr.kind {
            Kind::Member(of, property) if ["properties", "outputs"].contains(&property.as_str()) => match &of.kind {
                Kind::Name(name) if conditional.contains(name.as_str()) => Some((name, expr.line)),
                _ => None,
            },
            _ => None,
        });
        let found = looked_up.map(|(name, line)| format!("{path}:{line}: {name} may not be there"));
        once(found.collect())
    })
}

/// What each symbol of a file refers to itself.
fn graph(file: &File) -> BTreeMap<&str, BTreeSet<&str>> {
    let names = |exprs: &[&'_ Expr]| -> BTreeSet<String> {
        exprs
            .iter()
            .flat_map(|it| it.symbols())
            .map(|(name, _)| name.to_owned())
            .collect()
    };
    let symbols: BTreeMap<&str, usize> = file.symbols().into_iter().collect();
    let known = |found: BTreeSet<String>| -> BTreeSet<&str> {
        symbols.keys().copied().filter(|name| found.contains(*name)).collect()
    };
    let params = file
        .params
        .iter()
        .map(|it| (it.name.as_str(), it.default.iter().collect::<Vec<_>>()));
    let vars = file.vars.iter().map(|it| (it.name.as_str(), vec![&it.value]));
    let resources = file
        .resources
        .iter()
        .map(|it| (it.name.as_str(), it.condition.iter().chain([&it.body]).collect()));
    let modules = file
        .modules
        .iter()
        .map(|it| (it.name.as_str(), it.condition.iter().chain([&it.body]).collect()));
    let all = params.chain(vars).chain(resources).chain(modules);
    all.map(|(name, exprs): (&str, Vec<&Expr>)| (name, known(names(&exprs))))
        .collect()
}

/// Everything that `from` waits for, through others too.
fn reached<'a>(graph: &BTreeMap<&'a str, BTreeSet<&'a str>>, from: &str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut todo: Vec<&str> = graph.get(from).into_iter().flatten().copied().collect();
    while let Some(name) = todo.pop() {
        if let (Some((name, next)), false) = (graph.get_key_value(name), found.contains(name)) {
            found.insert(*name);
            todo.extend(next);
        }
    }
    found
}

fn cycles(project: &Project) -> Findings {
    in_each_file(project, |path, file| {
        let graph = graph(file);
        let own = graph.keys().filter(|name| reached(&graph, name).contains(*name));
        own.map(|name| format!("{path}: {name} waits for itself")).collect()
    })
}

/// Whether `later` refers to `earlier` itself, or through variables: what is in between could be left out by a condition,
/// and Azure then does not wait.
fn waits_for(graph: &BTreeMap<&str, BTreeSet<&str>>, vars: &BTreeSet<&str>, later: &str, earlier: &str) -> bool {
    let mut direct = graph.get(later).into_iter().flatten();
    direct.any(|name| *name == earlier || vars.contains(name) && waits_for(graph, vars, name, earlier))
}

fn order(project: &Project) -> Findings {
    let file = project.file(RESOURCES);
    let graph = graph(file);
    let vars: BTreeSet<&str> = file.vars.iter().map(|it| it.name.as_str()).collect();
    let grants = [
        "vault",
        "vaultPolicy",
        "vaultRole",
        "monitoring",
        "storage",
        "assertions",
        "network",
    ];
    let mut expected: Vec<(&str, &str)> = Vec::new();
    for app in ["flexApp", "premiumApp"] {
        expected.extend(grants.map(|grant| (app, grant)));
    }
    expected.extend([
        ("monitoring", "identity"),
        ("storage", "identity"),
        ("vault", "monitoring"),
        ("vaultPolicy", "vaultModel"),
        ("vaultRole", "vaultModel"),
        ("vaultRole", "vault"),
        ("network", "vault"),
    ]);
    let missing = expected
        .iter()
        .filter(|(later, earlier)| !waits_for(&graph, &vars, later, earlier));
    Ok(missing
        .map(|(later, earlier)| format!("{RESOURCES}: {later} does not wait for {earlier}"))
        .collect())
}

fn versions(project: &Project) -> Findings {
    let findings = in_each_file(project, |path, file| {
        let wrong = file.resources.iter().filter(|resource| {
            let pinned = VERSIONS.iter().find(|(prefix, _)| resource.kind.starts_with(prefix));
            pinned.is_none_or(|(_, version)| resource.version != *version)
        });
        wrong
            .map(|it| format!("{path}:{}: {}@{}", it.line, it.kind, it.version))
            .collect()
    })?;
    Ok(once(findings))
}
