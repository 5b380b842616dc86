import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { basename, join, relative, resolve } from 'node:path'
import { ShivError, type ExitCode } from '../../core/errors.ts'
import type { Invocation } from '../command.ts'
import { detectService, type Detected } from '../detect.ts'
import { inputError } from '../parse.ts'
import { printJson, printLines } from '../print.ts'
import { doneMark } from '../render/marks.ts'

export async function run({ args, flags, cwd, terminal }: Invocation): Promise<ExitCode> {
  const folder = resolve(cwd, args[0] ?? '.')
  const file = join(folder, 'service.yaml')
  if (existsSync(file)) {
    throw new ShivError(`${file} is there already; init does not overwrite.`, {
      code: 'INIT_EXISTS',
      exit: 2,
      hint: 'edit it, or remove it first',
    })
  }
  const language = flags.text('language')
  if (language !== undefined && labelOf(language) !== language) {
    throw inputError('CLI_BAD_VALUE', `--language cannot be "${language}".`, 'for example --language node')
  }
  const detected = detectService(folder, language)
  if (!detected) {
    throw inputError(
      'INIT_UNKNOWN_LANGUAGE',
      `Nothing in ${folder} says what language it is.`,
      'shiv init --language go, node or python; or add a Dockerfile',
    )
  }
  const name = flags.text('name') ?? labelOf(basename(folder))
  if (!/^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name)) {
    throw inputError(
      'INIT_BAD_NAME',
      `"${name}" cannot name a service: lower-case letters, digits and dashes, beginning with a letter, at most 63.`,
      'say another with --name',
    )
  }
  mkdirSync(folder, { recursive: true })
  // `wx` fails rather than overwrite, also when the file appeared in this moment.
  writeFileSync(file, serviceYaml(name, detected), { flag: 'wx' })
  if (flags.wantsJson) printJson(terminal, { version: 1, file, name, ...detected })
  else {
    const shown = relative(cwd, file) || file
    printLines(terminal, [
      `${doneMark(terminal.style)} wrote ${shown} (${detected.why})`,
      `next: shiv start ${relative(cwd, folder) || '.'}`,
    ])
  }
  return 0
}

function serviceYaml(name: string, { language, command }: Detected): string {
  const how = language === undefined ? 'build:\n  dockerfile: Dockerfile\n' : `language: ${language}\n`
  const start = command === undefined ? '' : `command: [${command.join(', ')}]\n`
  return `name: ${name}\n${how}${start}`
}

/** A folder's name as an RFC 1123 label. */
function labelOf(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 63)
}
