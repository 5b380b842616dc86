import { randomUUID } from 'node:crypto'
import { harmless } from '../../core/harmless.ts'
import type { Pipeline } from '../../core/pipeline.ts'

/** How a CI's log folds what belongs together, and how it is told of a failure. */
export interface LogMarks {
  begin(name: string): string
  end(name: string): string
  failure(message: string): string
}

/** Of the pipeline's own language for logs; nothing outside of one that has any. */
export function logMarks(
  pipeline: Pipeline['name'] | undefined,
  now: () => number = Date.now,
  token: string = randomUUID(),
): LogMarks {
  if (pipeline === 'GitHub Actions') {
    return {
      // What tests and builds print is no command to the runner, in neither of its two spellings; only who knows the token ends that.
      begin: (name) => `::group::${data(name)}\n::stop-commands::${token}\n`,
      end: () => `::${token}::\n::endgroup::\n`,
      failure: (message) => `::error title=shiv ci::${data(harmless(message))}\n`,
    }
  }
  if (pipeline === 'GitLab') {
    const id = (name: string): string => name.replaceAll(/[^a-z0-9]+/gi, '_')
    const at = (): number => Math.floor(now() / 1_000)
    return {
      begin: (name) => `\u001B[0Ksection_start:${at()}:${id(name)}\r\u001B[0K${harmless(name)}\n`,
      end: (name) => `\u001B[0Ksection_end:${at()}:${id(name)}\r\u001B[0K`,
      failure: () => '',
    }
  }
  return { begin: () => '', end: () => '', failure: () => '' }
}

/** What a workflow command of GitHub's carries stays on its line. */
function data(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}
