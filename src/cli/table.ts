import { plain } from './output.ts';

/** A column: numbers stand at its right edge. */
export interface Column {
  title: string;
  right?: boolean;
}

/** A number with thousands separators; `-` when it is not known. */
export function formatCount(count: number | undefined): string {
  return count === undefined ? '-' : String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** Rows under their titles, in columns as wide as their widest cell. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const cells = [columns.map(({ title }) => title), ...rows.map((row) => row.map(plain))];
  // Not spread into Math.max: a server can have more queues than a call may have arguments.
  const widths = columns.map((_, index) =>
    cells.reduce((most, row) => Math.max(most, row[index]!.length), 0),
  );
  const lines = cells.map((row) =>
    row
      .map((cell, index) =>
        columns[index]!.right === true ? cell.padStart(widths[index]!) : cell.padEnd(widths[index]!),
      )
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}
