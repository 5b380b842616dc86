import { movedSpans } from '../compare.ts'
import { noiseFloor, type BenchReport } from '../report.ts'
import { nameOf } from '../samples.ts'
import type { Trend } from '../trend.ts'
import { list, page } from './page.ts'
import { ratioPlot, samplePlot, spanPlot, trendPlot } from './plots.ts'
import { duration, estimate, headline, probability, sideText } from './words.ts'
import { escapeXml } from './xml.ts'

/** A report as one HTML file with plots: it needs no other file, runs no script and asks no server for anything. */
export function renderHtml(report: BenchReport): string {
  return page(`shiv bench: ${report.workspace}`, benchParts(report))
}

/** What of a report's page is its own. */
export function benchParts(report: BenchReport): string[] {
  const { series, comparisons, gates, advice, remarks } = report
  const names = [...new Set(series.map(nameOf))]
  const floor = noiseFloor(series)
  return [
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
  ]
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
    const [moved] = movedSpans(one)
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
