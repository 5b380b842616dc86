import { noiseFloor, type BenchReport } from '../report.ts'
import { nameOf } from '../samples.ts'
import type { Trend } from '../trend.ts'
import { ratioPlot, samplePlot, spanPlot, trendPlot } from './plots.ts'
import { duration, estimate, headline, probability, sideText } from './words.ts'
import { escapeXml } from './xml.ts'

const STYLE = `
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --faint: #d6dae0; --soft: #59636e; --s0: #0969da; --s1: #bc4c00; --s2: #8250df; --s3: #1a7f37; --bad: #cf222e; --good: #1a7f37 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117; --faint: #30363d; --soft: #9198a1; --s0: #58a6ff; --s1: #f0883e; --s2: #bc8cff; --s3: #3fb950; --bad: #ff7b72; --good: #3fb950 } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 860px; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2rem; border-bottom: 1px solid var(--faint) }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid var(--faint); font-variant-numeric: tabular-nums; vertical-align: top }
th { color: var(--soft); font-weight: 500 } .soft, .small { color: var(--soft) } .slower, .failed { color: var(--bad) } .faster, .same, .passed { color: var(--good) }
svg { max-width: 100%; height: auto; display: block; margin: .5rem 0 } svg text { fill: var(--ink); font: 12px system-ui, sans-serif } svg text.small { fill: var(--soft); font-size: 11px }
.grid { stroke: var(--faint) } .axis { stroke: var(--soft) } .band { fill: var(--faint); opacity: .5 } .trend { stroke: var(--s0); opacity: .4 } .step { stroke: var(--bad); stroke-dasharray: 4 3 }
.side0 { fill: var(--s0); opacity: .75 } .side1 { fill: var(--s1); opacity: .75 } .side2 { fill: var(--s2); opacity: .75 } .side3 { fill: var(--s3); opacity: .75 } .outlier { stroke: var(--bad); stroke-width: 1.5 }
.median0 { stroke: var(--s0) } .median1 { stroke: var(--s1) } .median2 { stroke: var(--s2) } .median3 { stroke: var(--s3) }
.range { stroke: var(--soft); stroke-width: 3 } .range.slower { stroke: var(--bad) } .range.faster, .range.same { stroke: var(--good) }
circle.slower { fill: var(--bad) } circle.faster, circle.same { fill: var(--good) } circle.cannot-tell { fill: var(--soft) }
.key { display: inline-block; width: .8em; height: .8em; border-radius: 50%; margin: 0 .3em 0 .8em } .key0 { background: var(--s0) } .key1 { background: var(--s1) } .key2 { background: var(--s2) } .key3 { background: var(--s3) }
`

/** A report as one HTML file with plots: it needs no other file, runs no script and asks no server for anything. */
export function renderHtml(report: BenchReport): string {
  const { series, comparisons, gates, advice, remarks } = report
  const names = [...new Set(series.map(nameOf))]
  const floor = noiseFloor(series)
  return page(`shiv bench: ${report.workspace}`, [
    `<p class="soft">${escapeXml(headline(report))}; ${escapeXml(new Date(report.startedAt).toISOString())}</p>`,
    ...(report.isInterrupted ? ['<p class="failed">Interrupted: what was measured until then is kept.</p>'] : []),
    ...verdicts(report),
    ratioPlot(comparisons),
    ...list(
      gates.map(
        ({ gate, name, state, why }) =>
          `gate <code>${escapeXml(gate)}</code> <b class="${state}">${state}</b>, ${escapeXml(name)}: ${escapeXml(why)}`,
      ),
    ),
    '<h2>Figures</h2>',
    figures(report),
    ...names.flatMap((name) => {
      const sides = series.filter((one) => nameOf(one) === name && one.samples.length > 0)
      if (sides.length === 0) return []
      return [
        `<h2>${escapeXml(name)}</h2>`,
        key(
          report,
          sides.map(({ side }) => side),
        ),
        samplePlot(name, sides),
        spanPlot(name, sides),
      ]
    }),
    ...(advice.length > 0 ? ['<h2>Advice</h2>'] : []),
    ...list(
      advice.map(
        ({ service, finding, evidence, remedy }) =>
          `<b>${escapeXml(service)}</b>: ${escapeXml(finding)}<br><span class="soft">${evidence.map(escapeXml).join('<br>')}</span><br>${escapeXml(remedy)}`,
      ),
    ),
    '<h2>How sure this is</h2>',
    ...list([
      ...(floor
        ? [
            `With so many samples this machine cannot tell differences under ${(floor.smallest * 100).toFixed(1)} % now (${escapeXml(floor.name)}).`,
          ]
        : []),
      `The harness adds ${duration(report.harness.sampleMs)} to a sample.`,
      ...remarks.map(escapeXml),
    ]),
  ])
}

/** Trends of a workspace as one HTML file. */
export function renderTrendHtml(workspace: string, trends: readonly Trend[]): string {
  return page(
    `shiv bench history: ${workspace}`,
    trends.flatMap((trend) => [
      `<h2>${escapeXml(nameOf(trend))} <span class="soft">on ${escapeXml(trend.runtime)}, ${trend.points.length} runs</span></h2>`,
      trendPlot(trend),
      ...list(
        trend.steps.map(
          ({ before, after, beforeMs, afterMs, p }) =>
            `stepped from ${duration(beforeMs)} to ${duration(afterMs)} between ${escapeXml(before.commit?.slice(0, 7) ?? 'a run without commit')} and <b>${escapeXml(after.commit?.slice(0, 7) ?? 'a run without commit')}</b> (${probability(p)})`,
        ),
      ),
    ]),
  )
}

function verdicts({ comparisons }: BenchReport): string[] {
  if (comparisons.length === 0) return []
  const rows = comparisons.map((one) => {
    const [moved] = one.verdict === 'slower' || one.verdict === 'faster' ? one.spans : []
    const where = moved ? `${escapeXml(moved.name)}: ${duration(moved.baseMs)} → ${duration(moved.ms)}` : ''
    return `<tr><td>${escapeXml(nameOf(one))}</td><td><b class="${one.verdict.replace(' ', '-')}">${one.verdict}</b></td><td>${escapeXml(one.why)} (${probability(one.corrected)})</td><td>${where}</td></tr>`
  })
  return [`<table><tr><th>measure</th><th>verdict</th><th>effect</th><th>where</th></tr>${rows.join('')}</table>`]
}

function figures({ series }: BenchReport): string {
  const rows = series.map((one) => {
    const head = `<tr><td>${escapeXml(nameOf(one))}</td><td>${escapeXml(one.side)}</td>`
    if (!one.summary) return `${head}<td>0</td><td colspan="3">${escapeXml(one.failure ?? 'nothing was measured')}</td></tr>`
    const { count, p50, p95, min } = one.summary
    return `${head}<td>${count}</td><td>${estimate(p50)}</td><td>${estimate(p95)}</td><td>${duration(min.value)}</td></tr>`
  })
  return `<table><tr><th>measure</th><th>side</th><th>n</th><th>p50</th><th>p95</th><th>min</th></tr>${rows.join('')}</table>`
}

function key({ sides }: BenchReport, shown: string[]): string {
  const entries = shown.map((name, index) => {
    const side = sides.find((one) => one.name === name)
    return `<span class="key key${index % 4}"></span>${escapeXml(side ? sideText(side) : name)}`
  })
  return `<p>${entries.join('')}</p>`
}

function list(items: string[]): string[] {
  return items.length === 0 ? [] : [`<ul>${items.map((item) => `<li>${item}</li>`).join('')}</ul>`]
}

function page(title: string, parts: string[]): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeXml(title)}</title><style>${STYLE}</style></head>
<body><h1>${escapeXml(title)}</h1>
${parts.filter(Boolean).join('\n')}
</body></html>
`
}
