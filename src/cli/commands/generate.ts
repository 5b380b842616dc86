import { join } from 'node:path'
import type { ExitCode } from '../../core/errors.ts'
import { pipelineFacts, type PipelineFacts } from '../../generate/ci/facts.ts'
import { githubWorkflow } from '../../generate/ci/github.ts'
import { GITLAB_PART, gitlabPipeline } from '../../generate/ci/gitlab.ts'
import { settingsOf, type Platform, type Setting } from '../../generate/ci/setup.ts'
import { loadWorkspace } from '../../spec/load.ts'
import type { Invocation } from '../command.ts'
import { stateOf, writeGenerated, type FileState } from '../generate/file.ts'
import { defaultBranch, findPlatform, pipelineFile, repositoryRoot } from '../generate/repository.ts'
import { jobsOf, renderPipeline } from '../generate/tell.ts'
import { inputError } from '../parse.ts'
import { printJson, printLines } from '../print.ts'
import { doneMark, failedMark } from '../render/marks.ts'

interface Generated {
  platform: Platform
  facts: PipelineFacts
  settings: Setting[]
  root: string
  /** From the root. */
  file: string
  text: string
  /** Of a part: whether the project's own pipeline includes it. */
  isIncluded: boolean
}

export async function run(invocation: Invocation): Promise<ExitCode> {
  const { flags, terminal } = invocation
  const wanted = readPlatform(invocation)
  const ways = ['check', 'print', 'force'].filter((name) => flags.isOn(name))
  if (ways.length > 1) throw inputError('CLI_BAD_VALUE', `--${ways.join(' and --')} do not go together.`, 'give one of them')
  const generated = await generate(invocation.cwd, wanted)
  if (flags.isOn('check')) return check(generated, invocation)
  if (flags.isOn('print')) {
    if (flags.wantsJson) printJson(terminal, shapeOf(generated, undefined))
    else terminal.out(generated.text)
    return 0
  }
  const command = `shiv generate ci ${generated.platform}`
  const before = await writeGenerated(generated, { force: flags.isOn('force'), command })
  if (flags.wantsJson) printJson(terminal, shapeOf(generated, before))
  else {
    const { style } = terminal
    const done = before === 'current' ? 'is as it would be made' : before === 'missing' ? 'written' : 'written anew'
    printLines(terminal, [
      `${doneMark(style)} ${generated.file} ${done}`,
      ...renderPipeline(generated, style),
      ...(generated.isIncluded ? [] : ['', ...includeLines()]),
    ])
  }
  return 0
}

function readPlatform({ args: [, word] }: Invocation): Platform | undefined {
  if (word === undefined || word === 'github' || word === 'gitlab') return word
  throw inputError('CLI_BAD_VALUE', `A pipeline cannot be for "${word}".`, 'shiv generate ci github, or shiv generate ci gitlab')
}

async function generate(cwd: string, wanted: Platform | undefined): Promise<Generated> {
  const model = await loadWorkspace(cwd, { environment: 'local' })
  const root = await repositoryRoot(model.workspace.root)
  const platform = wanted ?? (await findPlatform(root))
  const facts = pipelineFacts(model, { repository: root, branch: await defaultBranch(root) })
  const { file, isPart, isIncluded } = pipelineFile(root, platform)
  const text = platform === 'github' ? githubWorkflow(facts) : gitlabPipeline(facts, { isPart })
  return { platform, facts, settings: settingsOf(facts, platform), root, file, text, isIncluded }
}

async function check(generated: Generated, { flags, terminal }: Invocation): Promise<ExitCode> {
  const state = await stateOf(join(generated.root, generated.file), generated.text)
  const isCurrent = state === 'current'
  if (flags.wantsJson) printJson(terminal, { ...shapeOf(generated, state), passes: isCurrent })
  else if (isCurrent) printLines(terminal, [`${doneMark(terminal.style)} ${generated.file} is as it would be made`])
  else
    terminal.err(
      `${failedMark(terminal.errStyle)} ${generated.file} ${WORDS[state]}\n  shiv generate ci ${generated.platform} writes it\n`,
    )
  return isCurrent ? 0 : 4
}

const WORDS: Record<Exclude<FileState, 'current'>, string> = {
  missing: 'is not there',
  outdated: 'was made of another definition or by another shiv',
  changed: 'was changed by hand',
  foreign: 'was not made by shiv',
}

/** `state`: what was at the place of the file before. */
function shapeOf({ platform, facts, settings, file, text, isIncluded }: Generated, state: FileState | undefined): object {
  return {
    version: 1,
    platform,
    file,
    ...(state === undefined ? { text } : { state }),
    jobs: jobsOf(facts, platform),
    settings,
    notDeployedTo: facts.left,
    isIncluded,
  }
}

function includeLines(): string[] {
  return ['.gitlab-ci.yml does not include it yet; add:', '  include:', `    - local: /${GITLAB_PART}`]
}
