<?php
// Symfony Mailer's failover over two SMTP servers: one message a recipient, one line told of each.
//   php symfony.php PRIMARY_PORT SPARE_PORT TIMEOUT_S < addresses
require_once '/usr/share/php/Symfony/Component/Mailer/autoload.php';

use Symfony\Component\Mailer\Transport\FailoverTransport;
use Symfony\Component\Mailer\Transport\Smtp\EsmtpTransport;
use Symfony\Component\Mime\Email;

function relay(int $port, float $timeout): EsmtpTransport
{
    $transport = new EsmtpTransport('127.0.0.1', $port, false);
    $transport->getStream()->setTimeout($timeout);

    return $transport;
}

[, $primary, $spare, $timeout] = $argv;
$failover = new FailoverTransport([relay((int) $primary, (float) $timeout), relay((int) $spare, (float) $timeout)]);
while (($address = fgets(STDIN)) !== false) {
    $address = trim($address);
    $email = (new Email())->from('presse@exemple.fr')->to($address)->subject('Essai')->text("Bonjour\n");
    try {
        $failover->send($email);
        fwrite(STDOUT, "accepted $address\n");
    } catch (Throwable $error) {
        fwrite(STDOUT, "failed $address\n");
    }
    fflush(STDOUT);
}
