#!/usr/bin/env node
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(
    `shiv needs Node 20.19 or newer; this is ${process.version}.\n  hint: install a newer Node, for example with: nvm install 20\n`,
  )
  process.exit(3)
}
require('../dist/cli/main.cjs').main(process.argv.slice(2))
