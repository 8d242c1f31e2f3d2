/** A length of time as policy sees it, such as the delay that requeue_message is told. */
export class TimeDelta {
  readonly milliseconds: number;

  constructor(milliseconds: number) {
    this.milliseconds = milliseconds;
  }
}
