import type { Command } from '../command.ts'

/** Of shiv itself and of new workspaces. */
export const KEEPING: Command[] = [
  {
    name: 'doctor',
    summary: 'check what this machine has, and mend it',
    arity: { min: 0, max: 0 },
    about: ['Ends with 3 when something is missing without which shiv cannot work here.'],
    flags: { fix: { kind: 'switch', about: 'mend what can be mended' } },
    examples: [{ line: 'shiv doctor --fix', why: 'install or clear what is in the way' }],
    load: () => import('../commands/doctor.ts'),
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
    load: () => import('../commands/init.ts'),
  },
  {
    name: 'generate',
    summary: 'write the pipeline of GitHub or GitLab that runs shiv ci',
    arguments: 'ci [github|gitlab]',
    arity: { min: 1, max: 2, choices: ['ci'] },
    about: [
      'A check for pull requests, a deploy to the first environment before production for the default branch, and a release to production that somebody starts. The platform is known by what is in the repository, or by its origin.',
      'Writes the file at the root of the repository and says what has to be set up there. A file that was changed by hand is left alone.',
    ],
    flags: {
      print: { kind: 'switch', about: 'print the file, write nothing' },
      check: { kind: 'switch', about: 'end with 4 when the file is not what would be written' },
      force: { kind: 'switch', about: 'replace a file that was changed by hand or is not of shiv' },
    },
    examples: [
      { line: 'shiv generate ci', why: 'for the platform that is used here' },
      { line: 'shiv generate ci gitlab --print', why: 'look first' },
      { line: 'shiv generate ci --check', why: 'in a pipeline: is it still what shiv.yaml says?' },
    ],
    load: () => import('../commands/generate.ts'),
  },
  {
    name: 'daemon',
    summary: 'look at the daemon, or stop it',
    arguments: 'status|stop',
    arity: { min: 1, max: 1, choices: ['status', 'stop'] },
    about: ['The daemon starts by itself. Stopping it leaves what runs running; the next command finds it again.'],
    flags: {},
    examples: [{ line: 'shiv daemon status', why: 'pid, version, memory' }],
    load: () => import('../commands/daemon.ts'),
  },
]
