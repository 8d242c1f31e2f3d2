import SMTPConnection from 'nodemailer/lib/smtp-connection';

/** Sends one message through a port of this machine with nodemailer's client; gives the last reply. */
export function sendMail(
  port: number,
  envelope: { from: string; to: string[] },
  message: string | Buffer,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const connection = new SMTPConnection({ host: '127.0.0.1', port, ignoreTLS: true });
    connection.once('error', reject);
    connection.connect(() => {
      connection.send(envelope, message, (error: Error | null, info?: { response: string }) => {
        connection.quit();
        if (error) reject(error);
        else resolve(info!.response);
      });
    });
  });
}
