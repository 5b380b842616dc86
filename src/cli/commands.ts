import type { Command, Flag } from './command.ts'

const ENVIRONMENT: Flag = {
  kind: 'text',
  placeholder: 'NAME',
  about: 'environment of service.yaml and shiv.yaml (default: local)',
}
const RUNTIME: Flag = {
  kind: 'text',
  choices: ['kind', 'process'],
  about: 'where it runs (default: kind when Docker answers, else process)',
}
const SECRETS: Flag = { kind: 'switch', about: 'print passwords in database URLs instead of ***' }
const ANY = { min: 0, max: Number.POSITIVE_INFINITY }
const WHICH = 'A SERVICE is a service of the workspace here, or the path of one. Without any, all services are meant.'

/** Every command, in the order of help. Data only: `load` imports the code. */
export const COMMANDS: Command[] = [
  {
    name: 'start',
    summary: 'bring services to life and return when everything answers',
    arguments: '[SERVICE|PATH…]',
    arity: ANY,
    about: [
      'Builds what changed, starts the databases, runs migrations, and returns when every service answers its health check. What runs already is left alone.',
      'Ctrl-C while starting leaves a state that the next start completes.',
    ],
    flags: {
      follow: { kind: 'switch', short: 'f', about: 'stay, and show logs and health; Ctrl-C leaves it running' },
      plan: { kind: 'switch', about: 'print what would happen, change nothing' },
      env: ENVIRONMENT,
      runtime: RUNTIME,
      'no-debug': { kind: 'switch', about: 'start without debug endpoints' },
      'no-reload': { kind: 'switch', about: 'start without reload: a save changes nothing' },
      'show-secrets': SECRETS,
    },
    examples: [
      { line: 'shiv start', why: 'the whole workspace' },
      { line: 'shiv start examples/orders', why: 'one service by its folder' },
      { line: 'shiv start orders --runtime process', why: 'without Docker' },
      { line: 'shiv start --follow', why: 'stay with the logs' },
    ],
    load: () => import('./commands/start.ts'),
  },
  {
    name: 'status',
    summary: 'show what runs',
    arguments: '[SERVICE…]',
    arity: ANY,
    about: [WHICH, 'Outside a workspace, every run is shown. Never starts anything.'],
    flags: {
      output: { kind: 'text', short: 'o', choices: ['json', 'yaml', 'wide'], about: 'another form of output' },
      all: { kind: 'switch', short: 'A', about: 'runs of every workspace' },
      'show-secrets': SECRETS,
    },
    examples: [
      { line: 'shiv status', why: 'the workspace here' },
      { line: 'shiv status --all -o wide', why: 'every run, each replica' },
    ],
    load: () => import('./commands/status.ts'),
  },
  {
    name: 'logs',
    summary: 'print the logs of services and databases',
    arguments: '[SERVICE…]',
    arity: ANY,
    about: ['Lines of all sources in one stream. A database is a source too.'],
    flags: {
      follow: { kind: 'switch', short: 'f', about: 'wait for more' },
      tail: { kind: 'number', short: 'n', placeholder: 'N', about: 'only the last N lines of each source' },
      since: { kind: 'duration', placeholder: '5m', about: 'only lines of the last 90s, 5m, 1h30m' },
    },
    examples: [
      { line: 'shiv logs orders --follow', why: 'one service, as it happens' },
      { line: 'shiv logs --since 5m --json', why: 'for a program: one JSON object a line' },
    ],
    load: () => import('./commands/logs.ts'),
  },
  {
    name: 'stop',
    summary: 'stop what runs; data stays',
    arguments: '[SERVICE…]',
    arity: ANY,
    about: [WHICH, 'Databases keep their data unless --purge is given.'],
    flags: {
      purge: { kind: 'switch', about: 'also delete the data of databases and volumes; asks first' },
      yes: { kind: 'switch', short: 'y', about: 'do not ask' },
    },
    examples: [
      { line: 'shiv stop', why: 'everything of the workspace here' },
      { line: 'shiv stop --purge --yes', why: 'and its data, without being asked' },
    ],
    load: () => import('./commands/stop.ts'),
  },
  {
    name: 'restart',
    summary: 'restart services that run',
    arguments: '[SERVICE…]',
    arity: ANY,
    about: [WHICH, 'Returns when they answer again.'],
    flags: { 'show-secrets': SECRETS },
    examples: [{ line: 'shiv restart orders', why: 'one service' }],
    load: () => import('./commands/restart.ts'),
  },
  {
    name: 'open',
    summary: 'print the URL of a service, and open it on a terminal',
    arguments: '[SERVICE]',
    arity: { min: 0, max: 1 },
    about: ['Prints the URL. On a terminal a browser opens too. Without SERVICE, the only one with a URL is meant.'],
    flags: { 'no-browser': { kind: 'switch', about: 'print only' } },
    examples: [{ line: 'curl "$(shiv open orders)/healthz"', why: 'in a script' }],
    load: () => import('./commands/open.ts'),
  },
  {
    name: 'exec',
    summary: 'run a command in a running service',
    arguments: 'SERVICE -- COMMAND [ARG…]',
    arity: { min: 1, max: 1 },
    takesRest: true,
    about: ['Runs in the first ready replica, without a shell and without input. Ends with 0 when the command did, else with 1.'],
    flags: {},
    examples: [{ line: 'shiv exec orders -- node --version', why: 'words after -- go as they are' }],
    load: () => import('./commands/exec.ts'),
  },
  {
    name: 'plan',
    summary: 'print the Plan computed from service.yaml',
    arguments: '[SERVICE|PATH…]',
    arity: ANY,
    about: ['Production is what `deploy` sends; local is the same less the substitutions.'],
    flags: {
      output: {
        kind: 'text',
        short: 'o',
        choices: ['json', 'yaml', 'manifests'],
        about: 'the whole Plan, or its Kubernetes objects',
      },
      env: ENVIRONMENT,
      runtime: RUNTIME,
    },
    examples: [
      { line: 'shiv plan', why: 'what local start would make real' },
      { line: 'shiv plan --env production -o manifests', why: 'the objects of production' },
    ],
    load: () => import('./commands/plan.ts'),
  },
  {
    name: 'parity',
    summary: 'what differs from production, and why',
    arguments: '[SERVICE|PATH…]',
    arity: ANY,
    about: [
      'Each fact of production and what local does about it: = same, ~ substituted, ✗ absent. Then what runs, if it runs, is read back: confirmed or drifted.',
      'The score is 100 × Σ weight·value / Σ weight, where same is 1, substituted ½, absent or drifted 0.',
    ],
    flags: {
      output: {
        kind: 'text',
        short: 'o',
        choices: ['json', 'wide'],
        about: 'wide shows the values of production, local and live',
      },
      gate: { kind: 'number', placeholder: 'SCORE', about: 'end with 4 when the score is lower' },
      'no-verify': { kind: 'switch', about: 'from the Plan alone, without reading what runs' },
      env: ENVIRONMENT,
      runtime: RUNTIME,
    },
    examples: [{ line: 'shiv parity --gate 80', why: 'in CI' }],
    load: () => import('./commands/parity.ts'),
  },
  {
    name: 'why',
    summary: 'what a save of a file would do, and by which rule',
    arguments: 'FILE…',
    arity: { min: 1, max: Number.POSITIVE_INFINITY },
    about: [
      'Names the services that the file belongs to, the rule that decides, where that rule stands, and what changes in the container.',
      'Reads the definition alone: nothing needs to run, and the file needs not be there.',
    ],
    flags: { env: ENVIRONMENT, runtime: RUNTIME },
    examples: [{ line: 'shiv why src/server.ts', why: 'one file' }],
    load: () => import('./commands/why.ts'),
  },
  {
    name: 'doctor',
    summary: 'check what this machine has, and mend it',
    arity: { min: 0, max: 0 },
    about: ['Ends with 3 when something is missing without which shiv cannot work here.'],
    flags: { fix: { kind: 'switch', about: 'mend what can be mended' } },
    examples: [{ line: 'shiv doctor --fix', why: 'install or clear what is in the way' }],
    load: () => import('./commands/doctor.ts'),
  },
  {
    name: 'init',
    summary: 'write a service.yaml for an existing service',
    arguments: '[DIR]',
    arity: { min: 0, max: 1 },
    about: ['Knows the language by go.mod, package.json, pyproject.toml, requirements.txt or a Dockerfile. Never overwrites.'],
    flags: {
      language: { kind: 'text', placeholder: 'NAME', about: 'language preset instead of the detected one' },
      name: { kind: 'text', placeholder: 'NAME', about: "name instead of the folder's" },
    },
    examples: [{ line: 'shiv init services/billing --language node', why: 'say what it is' }],
    load: () => import('./commands/init.ts'),
  },
  {
    name: 'daemon',
    summary: 'look at the daemon, or stop it',
    arguments: 'status|stop',
    arity: { min: 1, max: 1, choices: ['status', 'stop'] },
    about: ['The daemon starts by itself. Stopping it leaves what runs running; the next command finds it again.'],
    flags: {},
    examples: [{ line: 'shiv daemon status', why: 'pid, version, memory' }],
    load: () => import('./commands/daemon.ts'),
  },
]
