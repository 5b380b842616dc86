import { expect, test } from 'vitest'
import { ShivError } from '../../src/core/errors.ts'
import { COMMANDS } from '../../src/cli/commands.ts'
import { parseWords } from '../../src/cli/parse.ts'

const parse = (line: string) => {
  const [name, ...words] = line.split(' ')
  return parseWords(
    COMMANDS.find((command) => command.name === name)!,
    words,
  )
}
const failure = (line: string): ShivError => {
  try {
    parse(line)
  } catch (error) {
    if (error instanceof ShivError) return error
    throw error
  }
  throw new Error(`${line} was accepted`)
}

test('flags stand anywhere, in every spelling', () => {
  for (const line of ['logs orders --tail 5 -f', 'logs -f --tail=5 orders', 'logs -fn 5 orders', 'logs orders -n5 --follow']) {
    const { args, flags } = parse(line)
    expect([args, flags.isOn('follow'), flags.number('tail')], line).toEqual([['orders'], true, 5])
  }
})

test('a value may hold = and begin with a dash', () => {
  expect(parse('plan --env=a=b').flags.text('env')).toBe('a=b')
  expect(parse('plan -C -odd').flags.text('directory')).toBe('-odd')
})

test('durations are read to milliseconds', () => {
  expect(parse('logs --since 1h30m').flags.number('since')).toBe(5_400_000)
})

test('words after -- are not looked at', () => {
  expect(parse('exec orders -- ls --json -la')).toMatchObject({ args: ['orders'], rest: ['ls', '--json', '-la'] })
  expect(parse('exec orders -- ls --json').flags.wantsJson).toBe(false)
})

test('-o json is --json', () => {
  expect(parse('status -o json').flags.wantsJson).toBe(true)
  expect(parse('status -o wide').flags.wantsJson).toBe(false)
})

test.each([
  ['start --folow', 'CLI_UNKNOWN_FLAG', 'did you mean --follow?'],
  ['start --zzzzzz', 'CLI_UNKNOWN_FLAG', 'see shiv start --help'],
  ['start --constructor', 'CLI_UNKNOWN_FLAG', 'see shiv start --help'],
  ['start -x', 'CLI_UNKNOWN_FLAG', 'see shiv start --help'],
  ['start --runtime knd', 'CLI_BAD_VALUE', 'did you mean --runtime kind?'],
  ['start --runtime moon', 'CLI_BAD_VALUE', 'one of: kind, process'],
  ['start --follow=yes', 'CLI_BAD_VALUE', 'write --follow alone'],
  ['plan --env', 'CLI_BAD_VALUE', 'write --env NAME'],
  ['logs -n many', 'CLI_BAD_VALUE', 'for example -n 100'],
  ['logs --since 5', 'CLI_BAD_VALUE', 'for example --since 90s, 5m or 1h30m'],
  ['open one two', 'CLI_UNEXPECTED_ARGUMENT', 'see shiv open --help'],
  ['status -- orders', 'CLI_UNEXPECTED_ARGUMENT', 'see shiv status --help'],
  ['exec', 'CLI_MISSING_ARGUMENT', 'see shiv exec --help'],
  ['daemon statsu', 'CLI_UNKNOWN_COMMAND', 'did you mean shiv daemon status?'],
])('shiv %s is refused as %s', (line, code, hint) => {
  expect(failure(line)).toMatchObject({ code, hint, exit: 2 })
})
