//! Names of TCP services, from port to name and back.
//!
//! Written for this crate from knowledge of the IANA Service Name and Transport Protocol Port Number Registry (RFC 6335)
//! and of vendors' manuals; no other scanner's file was used. A port has its registered name, unless nearly every
//! machine that has it open runs something else: then it has the name of that, and the registered one is an alias.

use std::collections::HashMap;
use std::sync::LazyLock;

/// The name of the service that is usual on a TCP port.
pub fn name(port: u16) -> Option<&'static str> {
    let services = &REGISTRY.by_port;
    services.binary_search_by_key(&port, |service| service.0).ok().map(|n| services[n].1)
}

/// The port of a service, by its name or an alias, in upper or lower case.
pub fn port(name: &str) -> Option<u16> {
    REGISTRY.by_name.get(name.to_ascii_lowercase().as_str()).copied()
}

struct Registry {
    by_port: Vec<(u16, &'static str)>,
    by_name: HashMap<&'static str, u16>,
}

impl Registry {
    fn read(table: &'static str) -> Self {
        let mut registry = Self { by_port: Vec::new(), by_name: PREFERRED.iter().copied().collect() };
        for service in table.split(',') {
            let mut words = service.split_whitespace();
            let Some(port) = words.next().and_then(|port| port.parse().ok()) else { continue };
            for (n, name) in words.enumerate() {
                if n == 0 {
                    registry.by_port.push((port, name));
                }
                registry.by_name.entry(name).or_insert(port);
            }
        }
        registry
    }
}

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| Registry::read(SERVICES));

/// Of several ports with one name the lowest is meant, but here.
const PREFERRED: &[(&str, u16)] = &[("http-alt", 8080), ("ircu", 6667)];

/// Port, name, aliases; ascending.
const SERVICES: &str = "
1 tcpmux, 7 echo, 9 discard sink null, 11 systat users, 13 daytime, 17 qotd quote, 18 msp, 19 chargen ttytst source, 20 ftp-data, 21
ftp, 22 ssh, 23 telnet, 25 smtp mail, 27 nsw-fe, 29 msg-icp, 31 msg-auth, 33 dsp, 37 time timserver, 38 rap, 39 rlp, 41 graphics, 42
nameserver wins, 43 nicname whois, 44 mpm-flags, 45 mpm, 46 mpm-snd, 48 auditd, 49 tacacs, 50 re-mail-ck, 52 xns-time, 53 domain dns,
54 xns-ch, 55 isi-gl, 56 xns-auth, 58 xns-mail, 62 acas, 63 whoispp whois++, 64 covia, 65 tacacs-ds, 66 sql-net sqlnet, 67 bootps, 68
bootpc, 69 tftp, 70 gopher, 71 netrjs-1, 72 netrjs-2, 73 netrjs-3, 74 netrjs-4, 76 deos, 78 vettcp, 79 finger, 80 http www www-http,
82 xfer, 83 mit-ml-dev, 84 ctf, 86 mfcobol, 88 kerberos krb5, 89 su-mit-tg, 90 dnsix, 91 mit-dov, 92 npp, 93 dcp, 94 objcall, 95
supdup, 96 dixie, 97 swift-rvf, 98 tacnews, 99 metagram, 101 hostname hostnames, 102 iso-tsap tsap s7comm, 103 gppitnp, 104 acr-nema
dicom, 105 csnet-ns cso, 106 3com-tsmux, 107 rtelnet, 108 snagas, 109 pop2 pop-2, 110 pop3 pop-3, 111 sunrpc portmapper rpcbind, 112
mcidas, 113 ident auth, 115 sftp, 117 uucp-path, 118 sqlserv, 119 nntp readnews, 120 cfdptkt, 122 smakynet, 123 ntp, 124 ansatrader,
126 nxedit, 128 gss-xlicen, 129 pwdgen, 130 cisco-fna, 131 cisco-tna, 132 cisco-sys, 133 statsrv, 134 ingres-net, 135 epmap msrpc
loc-srv, 136 profile, 137 netbios-ns, 138 netbios-dgm, 139 netbios-ssn, 140 emfis-data, 141 emfis-cntl, 143 imap imap2 imap4, 144 uma,
147 iso-ip, 151 hems, 152 bftp, 153 sgmp, 156 sqlsrv, 158 pcmail-srv, 161 snmp, 162 snmptrap snmp-trap, 163 cmip-man, 164 cmip-agent,
170 print-srv, 173 xyplex-mux, 174 mailq, 175 vmnet, 177 xdmcp, 178 nextstep, 179 bgp, 180 ris, 181 unify, 182 audit, 190 gacp, 191
prospero, 193 srmp, 194 irc, 195 dn6-nlm-aud, 199 smux, 200 src, 201 at-rtmp, 202 at-nbp, 204 at-echo, 206 at-zis, 209 qmtp, 210
z39-50 z3950 z39.50, 211 914c-g, 213 ipx, 218 mpp, 220 imap3, 221 fln-spx, 223 cdc, 245 link, 246 dsp3270, 257 set, 259 esro-gen, 260
openport, 261 nsiiops, 262 arcisdms, 263 hdap, 264 bgmp, 271 pt-tls, 280 http-mgmt, 281 personal-link, 284 corerjd, 308
novastorbakcup, 309 entrusttime, 310 bhmds, 311 asip-webadmin, 312 vslmp, 313 magenta-logic, 315 dpsi, 316 decauth, 318
pkix-timestamp, 319 ptp-event, 320 ptp-general, 322 rtsps, 323 rpki-rtr, 324 rpki-rtr-tls, 333 texar, 344 pdap, 345 pawserv, 346
zserv, 347 fatserv, 349 mftp, 350 matip-type-a, 351 matip-type-b, 363 rsvp-tunnel, 366 odmr, 369 rpc2portmap, 370 codaauth2, 371
clearcase, 372 ulistproc, 373 legent-1, 376 nip, 380 is99s, 381 hp-collector, 382 hp-managed-node, 383 hp-alarm-mgr, 384 arns, 387
aurp, 389 ldap, 391 synotics-relay, 395 netcp, 396 netware-ip, 397 mptn, 399 iso-tsap-c2, 400 osb-sd, 401 ups, 402 genie, 403 decap,
404 nced, 405 ncld, 406 imsp, 407 timbuktu, 408 prm-sm, 410 decladebug, 411 rmt, 412 synoptics-trap, 413 smsp, 414 infoseek, 415 bnet,
416 silverplatter, 417 onmux, 418 hyper-g, 419 ariel1, 425 icad-el, 426 smartsdp, 427 svrloc slp, 428 ocs-cmu, 430 utmpsd, 433 nnsp,
434 mobileip-agent, 435 mobilip-mn, 437 comscm, 438 dsfgw, 440 sgcp, 441 decvms-sysmgt, 442 cvc-hostd, 443 https http-tls, 444 snpp,
445 microsoft-ds smb cifs, 446 ddm-rdb, 447 ddm-dfm, 448 ddm-ssl, 449 as-servermap, 450 tserver, 453 creativeserver, 454
contentserver, 456 macon-tcp, 458 appleqtc, 464 kpasswd, 465 submissions smtps urd, 468 photuris, 469 rcp, 475 tcpnethaspsrv, 487
saft, 488 gss-http, 491 go-login, 496 pim-rp-disc, 497 retrospect dantz, 500 isakmp, 502 mbap modbus, 504 citadel, 507 crs, 510 fcp,
512 exec rexec, 513 login rlogin, 514 shell rsh, 515 printer lpd, 518 ntalk, 519 utime, 520 efs, 521 ripng, 522 ulp, 523 ibm-db2, 524
ncp, 525 timed, 526 tempo newdate, 530 courier rpc, 531 conference chat, 532 netnews, 533 netwall, 535 iiop, 538 gdomap, 540 uucp
uucpd, 541 uucp-rlogin, 543 klogin, 544 kshell krcmd, 545 appleqtcsrvr, 546 dhcpv6-client, 547 dhcpv6-server, 548 afpovertcp afp, 549
idfp, 550 new-rwho, 552 deviceshare, 553 pirp, 554 rtsp, 555 dsf, 556 remotefs rfs, 560 rmonitor, 561 monitor, 563 nntps snews, 564
9pfs, 565 whoami, 568 ms-shuttle, 569 ms-rome, 573 banyan-vip, 574 ftp-agent, 587 submission msa, 591 http-alt, 593 http-rpc-epmap,
600 ipcserver, 601 syslog-conn, 606 urm, 607 nqs, 608 sift-uft, 610 npmp-local, 611 npmp-gui, 614 sshell, 623 oob-ws-http asf-rmcp,
625 dec-dlm, 628 qmqp, 631 ipp ipps cups, 636 ldaps, 639 msdp, 641 repcmd, 646 ldp, 647 dhcp-failover, 648 rrp, 651 ieee-mms, 653
repscmd, 654 aodv, 655 tinc, 660 mac-srvr-admin, 664 oob-ws-https, 666 mdqs doom, 674 acap, 683 corba-iiop, 684 corba-iiop-ssl, 687
asipregistry, 688 realm-rusd, 690 vatp, 691 msexch-routing, 694 ha-cluster, 695 ieee-mms-ssl, 700 epp, 702 iris-beep, 705 agentx, 706
silc, 707 borland-dsj, 709 entrust-kmsh, 710 entrust-ash, 711 cisco-tdp, 712 tbrpf, 713 iris-xpc, 714 iris-xpcs, 715 iris-lwz, 729
netviewdm1, 730 netviewdm2, 731 netviewdm3, 741 netgw, 742 netrcs, 744 flexlm, 747 fujitsu-dev, 748 ris-cm, 749 kerberos-adm, 750
rfile kerberos-iv, 751 pump, 753 rrh, 754 tell krb-prop, 758 nlogin, 759 con, 760 ns, 761 rxe, 762 quotad, 763 cycleserv, 764 omserv,
765 webster, 767 phonebook, 769 vid, 770 cadlock, 771 rtip, 772 cycleserv2, 773 submit, 774 rpasswd, 775 entomb, 776 wpages, 777
multiling-http, 780 wpgs, 800 mdbs-daemon, 801 device, 802 mbap-s, 808 net-tcp, 830 netconf-ssh, 831 netconf-beep, 832
netconfsoaphttp, 833 netconfsoapbeep, 847 dhcp-failover2, 848 gdoi, 853 domain-s dot dns-over-tls, 854 dlep, 860 iscsi, 861
owamp-control, 862 twamp-control, 873 rsync, 886 iclcnet-locate, 888 accessbuilder cddbp, 900 omginitialrefs, 901 smpnameres swat, 902
vmware-auth ideafarm-door, 903 vmware-remote ideafarm-panic, 910 kink, 911 xact-backup, 912 apex-mesh, 913 apex-edge, 953 rndc, 989
ftps-data, 990 ftps, 991 nas, 992 telnets, 993 imaps, 994 ircs, 995 pop3s, 996 vsinet, 997 maitrd, 998 busboy, 999 garcon puprouter,
1000 cadlock2, 1010 surf, 1025 blackjack, 1026 cap, 1029 solid-mux, 1033 netinfo-local, 1050 cma, 1058 nim, 1059 nimreg, 1067
instl-boots, 1080 socks, 1083 ansoft-lm-1, 1085 webobjects, 1090 ff-fms, 1091 ff-sm, 1098 rmiactivation, 1099 rmiregistry rmi
java-rmi, 1100 mctp, 1110 webadmstart, 1111 lmsocialserver, 1140 autonoc, 1158 oracle-em, 1167 cisco-ipsla, 1169 tripwire, 1180
mc-client, 1186 mysql-cluster, 1194 openvpn, 1200 scol, 1214 kazaa, 1220 qt-serveradmin, 1234 search-agent infoseek-search, 1241
nessus, 1248 hermes, 1270 opsmgr scom, 1300 h323hostcallsc, 1311 rxmon omsa, 1337 menandmice-dns, 1344 icap, 1352 lotusnote
lotusnotes, 1400 sonos, 1414 ibm-mqseries mqseries, 1417 timbuktu-srv1, 1433 ms-sql-s mssql, 1434 ms-sql-m, 1494 ica citrix-ica, 1500
vlsi-lm, 1501 sas-3, 1503 imtc-mcs, 1512 wins, 1521 oracle-tns ncube-lm oracle, 1522 rna-lm, 1524 ingreslock, 1525 orasrv, 1526
pdap-np, 1529 coauthor, 1533 virtual-places, 1556 veritas-pbx, 1581 mil-2045-47001, 1583 simbaexpress, 1589 vqp, 1604 icabrowser, 1645
sightline, 1666 netview-aix-6, 1677 groupwise, 1688 nsjtp-data kms, 1701 l2f l2tp, 1718 h323gatedisc, 1719 h323gatestat, 1720
h323hostcall h323, 1723 pptp, 1755 ms-streaming mms, 1761 cft-0, 1801 msmq, 1812 radius, 1813 radius-acct, 1830 net8-cman, 1863 msnp,
1883 mqtt, 1900 ssdp, 1911 mtp niagara-fox, 1935 macromedia-fcs rtmp, 1947 sentinelsrm hasplm, 1962 biap-mp, 1972 intersys-cache, 1984
bb bigbrother, 1985 hsrp, 1994 stun-port, 1998 x25-svc-port, 2000 cisco-sccp sccp, 2003 brutus, 2004 mailbox, 2010 search, 2020
xinupageserver, 2049 nfs, 2050 av-emb-config, 2065 dlsrpn, 2082 cpanel infowave, 2083 cpanels radsec, 2086 whm gnunet, 2087 whms eli,
2095 webmail nbx-ser, 2096 webmails nbx-dir, 2100 amiganetfs, 2101 rtcm-sc104, 2103 zephyr-clt, 2104 zephyr-hm, 2105 minipay, 2107
bintec-admin, 2121 scientia-ssdb, 2128 netsteward, 2160 apc-2160, 2161 apc-2161, 2181 zookeeper eforward, 2221 rockwell-csp1, 2222
ethernet-ip-1, 2223 rockwell-csp2, 2260 apc-2260, 2301 compaqdiag, 2323 3d-nfsd, 2375 docker, 2376 docker-s, 2377 swarm, 2379
etcd-client etcd, 2380 etcd-server, 2381 compaq-https, 2383 ms-olap4, 2401 cvspserver cvs, 2404 iec-104, 2424 kofax-svr, 2447 ovwdb,
2455 wago-io-system codesys, 2481 giop, 2482 giop-ssl, 2483 ttc, 2484 ttc-ssl oracles, 2525 ms-v-worlds, 2535 madcap, 2598 citrix-cgp
citriximaclient, 2601 zebra discp-client, 2602 ripd discp-server, 2604 ospfd nsc-ccs, 2605 bgpd nsc-posa, 2628 dict, 2638
sybaseanywhere, 2717 pn-requester, 2727 mgcp-callagent, 2809 corbaloc, 2811 gsiftp, 2869 icslap, 2947 gpsd, 2948 wap-push, 2967
ssc-agent, 3000 hbci, 3001 origo-native, 3020 cifs, 3031 eppc, 3050 firebird gds-db interbase, 3052 powerchute apc-3052, 3074 xbox,
3128 squid-http ndl-aas squid, 3200 tick-port sap-dispatcher, 3205 isns, 3225 fcip-port, 3260 iscsi-target, 3268 msft-gc
globalcat-ldap, 3269 msft-gc-ssl globalcat-ldaps, 3283 net-assistant ard, 3288 cops, 3299 saprouter pdrncs, 3300 ceph, 3306 mysql,
3333 dec-notes, 3372 tip2, 3386 gprs-data, 3388 cbserver, 3389 ms-wbt-server rdp, 3421 bmap, 3455 prsvp, 3456 vat, 3478 stun turn,
3493 nut, 3517 802-11-iapp, 3527 beserver-msg-q, 3531 peerenabler, 3540 pnrp-port, 3544 teredo, 3551 apcupsd, 3632 distcc, 3645 cyc,
3653 tsp, 3659 apple-sasl, 3689 daap, 3690 svn subversion, 3700 lrs-paging, 3702 ws-discovery, 3784 bfd-control, 3799 radius-dynauth,
3868 diameter, 3871 avocent-adsap, 3872 oem-agent, 3880 igrs, 3918 pktcablemmcops, 3986 mapper-ws-ethd, 4000 terabase, 4045 nlockmgr
npp, 4070 spotify-connect, 4100 igo-incognito, 4111 xgrid, 4125 opsview-envoy, 4190 sieve managesieve, 4224 xtell, 4242
vrml-multi-use, 4321 rwhois, 4343 unicall, 4369 epmd, 4443 pharos, 4444 krb524, 4445 upnotifyp, 4460 ntske, 4500 ipsec-nat-t, 4505
saltstack-pub, 4506 saltstack-ret, 4567 tram, 4569 iax, 4672 rfa, 4739 ipfix, 4740 ipfixs, 4743 openhpid, 4786 smart-install, 4840
opcua-tcp opcua, 4843 opcua-tls, 4848 appserv-http glassfish-admin, 4849 appserv-https, 4894 lyskom, 4899 radmin radmin-port, 4949
munin, 4950 sybasesrvmon, 5000 commplex-main, 5001 commplex-link, 5002 rfe, 5003 fmpro-internal filemaker-pro, 5004 avt-profile-1,
5005 avt-profile-2, 5007 wsm-server-ssl, 5009 winfs airport-admin, 5010 telelpathstart, 5022 mice, 5044 beats lxi-evntsvc, 5050 mmcc,
5051 ita-agent, 5060 sip, 5061 sips, 5080 onscreen, 5084 llrp, 5085 encrypted-llrp, 5093 sentinel-lm, 5094 hart-ip, 5100 admd, 5101
admdog, 5104 ibm-omad, 5120 barracuda-bbs, 5190 aol, 5222 xmpp-client xmpp jabber, 5223 hpvirtgrp xmpp-client-ssl, 5269 xmpp-server,
5280 xmpp-bosh, 5298 presence, 5349 stuns turns, 5351 nat-pmp, 5353 mdns, 5355 hostmon llmnr, 5357 wsdapi, 5358 wsdapi-s, 5405
netsupport, 5427 sco-peer-tta, 5432 postgresql postgres, 5433 pyrrho, 5443 spss, 5500 fcp-addr-srvr1, 5555 adb personal-agent, 5556
freeciv, 5566 westec-connect, 5568 sdt acn, 5601 kibana esmagent, 5631 pcanywheredata, 5632 pcanywherestat, 5666 nrpe, 5667 nsca, 5671
amqps, 5672 amqp, 5673 jms, 5679 activesync, 5683 coap, 5684 coaps, 5718 dpm, 5722 msdfsr, 5723 omhs, 5730 unieng, 5800 vnc-http, 5859
wherehoo, 5863 ppsuitemsg, 5900 rfb vnc, 5901 vnc-1, 5902 vnc-2, 5938 teamviewer, 5984 couchdb, 5985 wsman winrm, 5986 wsmans winrms,
5988 wbem-http, 5989 wbem-https, 6000 x11, 6001 x11-1, 6002 x11-2, 6003 x11-3, 6005 x11-5, 6068 gsmp-ancp, 6082 vinyl-admin, 6106
mpsserver, 6112 dtspcd, 6123 backup-express, 6129 damewareremote dameware, 6222 radmind, 6346 gnutella-svc gnutella, 6347
gnutella-rtr, 6379 redis, 6389 clariion-evr01, 6432 pgbouncer, 6443 kubernetes-api sun-sr-https kubernetes, 6444 sge-qmaster, 6445
sge-execd, 6481 servicetags, 6502 boks-servm, 6513 netconf-tls, 6514 syslog-tls, 6543 mythtv lds-distrib, 6547 apc-6547, 6548
apc-6548, 6549 apc-6549, 6566 sane-port sane, 6600 mshvlm mpd, 6601 mstmg-sstp, 6640 ovsdb, 6653 openflow, 6665 ircu, 6666 ircu, 6667
ircu ircd, 6668 ircu, 6669 ircu, 6679 osaut, 6697 ircs-u, 6789 ceph-mon, 6800 ceph-osd, 6888 muse, 6969 acmsoda, 7000 afs3-fileserver,
7001 weblogic afs3-callback, 7002 afs3-prserver, 7003 afs3-vlserver, 7004 afs3-kaserver, 7005 afs3-volser, 7006 afs3-errors, 7007
afs3-bos, 7008 afs3-update, 7009 afs3-rmtsys, 7070 arcp realserver, 7077 spark-master, 7100 font-service xfs, 7199 cassandra-jmx, 7200
fodms, 7272 watchme-7272, 7400 rtps-discovery, 7443 oracleas-https, 7474 neo4j, 7547 cwmp tr-069, 7626 simco, 7627 soap-http, 7676
imqbrokerd, 7680 wudo pando-pub, 7687 bolt, 7777 cbt, 7778 interwise, 7787 popup-reminders, 7800 asr, 7880 pss, 7937 nsrexecd, 7938
lgtomapper, 8000 irdmi, 8001 vcom-tunnel, 8002 teradataordbms, 8005 mxi, 8006 proxmox-ve, 8007 proxmox-backup, 8008 http-alt, 8009
ajp13 nvme-disc ajp, 8019 qbdb, 8020 intu-ec-svcdisc, 8021 intu-ec-client, 8022 oa-system, 8025 ca-audit-da, 8026 ca-audit-ds, 8042
fs-agent, 8051 rocrail, 8069 odoo, 8080 http-alt webcache http-proxy, 8081 sunproxyadmin, 8082 us-cli, 8086 influxdb d-s-n, 8087
simplifymedia, 8088 radan-http, 8089 splunkd, 8090 opsmessaging, 8091 couchbase jamlink, 8096 jellyfin, 8097 sac, 8100 xprint-server,
8111 skynetflow, 8112 deluge, 8116 cp-cluster, 8118 privoxy, 8123 home-assistant, 8125 statsd, 8126 datadog-apm, 8140 puppet, 8161
activemq-admin patrol-snmp, 8172 web-deploy, 8182 vmware-fdm, 8194 blp1, 8200 vault trivnet1, 8222 vmware-server, 8243 synapse-nhttps,
8291 winbox, 8332 bitcoin-rpc, 8333 bitcoin, 8383 m2mservices, 8384 syncthing, 8400 cvd, 8443 https-alt pcsync-https, 8444
pcsync-http, 8500 consul fmtp, 8529 arangodb, 8530 wsus-http, 8531 wsus-https, 8554 rtsp-alt, 8600 asterix, 8649 ganglia, 8728
routeros-api, 8729 routeros-api-ssl, 8765 ultraseek-http, 8787 msgsrvr, 8834 nessus-web, 8873 dxspider, 8880 cddbp-alt, 8883
secure-mqtt mqtts, 8888 ddi-tcp-1, 8889 ddi-tcp-2, 8983 solr, 9000 cslistener, 9001 etlservicemgr, 9002 dynamid, 9030 tor-directory,
9042 cassandra cql, 9043 websphere-admins, 9050 tor-socks versiera, 9051 tor-control, 9060 websphere-admin, 9080 glrpc, 9090 websm,
9091 xmltec-xmlmail, 9092 kafka, 9093 alertmanager, 9094 kafka-tls, 9100 pdl-datastream jetdirect hp-pdl-datastr, 9101 bacula-dir,
9102 bacula-fd, 9103 bacula-sd, 9117 jackett, 9119 mxit, 9160 cassandra-thrift apani1, 9200 elasticsearch wap-wsp, 9201 wap-wsp-wtp,
9300 elasticsearch-transport vrace, 9389 adws, 9390 otp, 9391 otmp, 9392 openvas, 9418 git, 9443 tungsten-https, 9535 mngsuite, 9595
pds, 9600 micromuse-ncpw omron-fins, 9696 neutron, 9700 board-roar, 9735 lightning, 9800 davsrc, 9876 sd, 9981 tvheadend, 9987
dsm-scm-target, 9993 palace-2, 9994 palace-3, 9999 distinct, 10000 ndmp webmin, 10001 scp-config, 10050 zabbix-agent, 10051
zabbix-trapper zabbix-server, 10080 amanda, 10110 nmea-0183, 10113 netiq-endpoint, 10250 kubelet, 10255 kubelet-readonly, 10256
kube-proxy, 10389 apacheds, 10809 nbd, 11000 irisa, 11111 vce, 11211 memcache memcached, 11311 ros-master, 11371 pksd hkp, 11434
ollama, 11751 intrepid-ssl, 12345 italk, 13720 bprd, 13721 bpdbm, 13722 bpjava-msvc, 13724 vnetd netbackup, 13782 bpcd, 13818
dsmcc-config, 15672 rabbitmq-admin, 16010 hbase-master, 16992 amt-soap-http, 16993 amt-soap-https, 16994 amt-redir-tcp, 16995
amt-redir-tls, 17500 db-lsp dropbox-lansync, 18080 spark-history, 18245 ge-srtp, 19132 minecraft-bedrock, 19999 dnp-sec, 20000 dnp
dnp3, 20547 proconos, 22000 syncthing-sync, 22273 wnn6, 23399 skype, 24007 glusterd, 24800 synergy, 25565 minecraft, 25672
rabbitmq-dist, 25826 collectd, 26000 quake, 26257 cockroachdb, 26379 redis-sentinel, 27000 flexlm-lmgrd, 27015 source-engine, 27017
mongodb, 27018 mongodb-shard, 27019 mongodb-config, 27020 mongodb-mongos, 28015 rethinkdb, 28017 mongodb-web, 30303 ethereum, 32400
plex, 33060 mysqlx, 34962 profinet-rt, 34963 profinet-rtm, 34964 profinet-cm, 35357 openstack-id keystone-admin, 36865 kastenxpipe,
41121 tentacle pandora, 44321 pmcd, 44322 pmcdproxy, 44323 pmwebapi, 44818 ethernet-ip-2 ethernet-ip, 45678 eba, 47001 winrm-http,
47808 bacnet, 50000 ibm-db2-alt db2c-db2inst1, 50030 hadoop-jobtracker, 50070 hdfs-namenode, 50075 hdfs-datanode, 51413 transmission,
54321 bo2k, 60020 hbase-regionserver, 61613 stomp, 61616 activemq openwire, 61617 activemq-ssl, 62078 iphone-sync, 64738 mumble
";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn knows_services_both_ways() {
        for (number, word) in
            [(22, "ssh"), (80, "http"), (443, "https"), (445, "microsoft-ds"), (3389, "ms-wbt-server"), (61616, "activemq")]
        {
            assert_eq!(name(number), Some(word));
            assert_eq!(port(word), Some(number));
        }
        for (alias, number) in [("WWW", 80), ("smb", 445), ("rdp", 3389), ("http-alt", 8080), ("postgres", 5432), ("rexec", 512)] {
            assert_eq!(port(alias), Some(number));
        }
        assert_eq!(name(4), None);
        assert_eq!(port("no-such-service"), None);
    }

    #[test]
    fn table_is_ascending_and_well_formed() {
        let entries: Vec<&str> = SERVICES.split(',').map(str::trim).collect();
        assert_eq!(REGISTRY.by_port.len(), entries.len(), "an entry does not begin with a port");
        assert!(REGISTRY.by_port.is_sorted_by(|one, next| one.0 < next.0));
        assert!(entries.len() > 900);
        for entry in entries {
            let mut words = entry.split_whitespace().skip(1).peekable();
            assert!(words.peek().is_some(), "{entry} has no name");
            for word in words {
                // A name without a letter would read as a number on the command line (RFC 6335 5.1 asks for one too).
                assert!(word.contains(|c: char| c.is_ascii_lowercase()), "{entry}");
                assert!(word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-+.".contains(&byte)), "{entry}");
            }
        }
    }

    #[test]
    fn every_name_leads_to_a_port_that_has_it() {
        for entry in SERVICES.split(',') {
            let mut words = entry.split_whitespace();
            let number: u16 = words.next().unwrap().parse().unwrap();
            for word in words {
                let found = port(word).unwrap();
                assert!(found <= number || PREFERRED.contains(&(word, found)), "{word}");
                assert!(SERVICES.split(',').any(|entry| {
                    let mut words = entry.split_whitespace();
                    words.next() == Some(found.to_string().as_str()) && words.any(|other| other == word)
                }));
            }
        }
        for (word, number) in PREFERRED {
            assert_eq!(name(*number), Some(*word));
        }
    }

    proptest! {
        #[test]
        fn survives_any_name(text in "\\PC*") {
            if let Some(number) = port(&text) {
                prop_assert!(name(number).is_some());
            }
        }
    }
}
