import { expect, test } from 'vitest'
import { createStyle } from '../../src/core/style.ts'
import { COMMANDS } from '../../src/cli/commands.ts'
import { commandHelp, topHelp } from '../../src/cli/help.ts'

const plain = createStyle({ colour: false, unicode: true })

test('shiv --help', async () => {
  await expect(topHelp(plain)).toMatchFileSnapshot('../golden/help/shiv.txt')
})

test.each(COMMANDS)('shiv $name --help', async (command) => {
  await expect(commandHelp(command, plain)).toMatchFileSnapshot(`../golden/help/${command.name}.txt`)
})

test('every command has code to run', async () => {
  for (const command of COMMANDS) {
    expect(typeof (await command.load()).run, command.name).toBe('function')
    expect(command.about.length, command.name).toBeGreaterThan(0)
    expect(command.examples.length, command.name).toBeGreaterThan(0)
  }
})

test('no two flags of a command share a letter', () => {
  for (const { name, flags } of COMMANDS) {
    const letters = Object.values(flags).flatMap(({ short }) => short ?? [])
    expect(new Set([...letters, 'C', 'h']).size, name).toBe(letters.length + 2)
  }
})
