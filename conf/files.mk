# files.mk - sample configuration, installed as documentation
# SPDX-License-Identifier: Apache-2.0
confdir = $(docdir)/conf
dist_conf_DATA = %D%/scep.load %D%/scep.conf %D%/scep_ca_openssl.load \
	%D%/scep_ca_openssl.conf %D%/scep_ca_ejbca.load %D%/scep_ca_ejbca.conf \
	%D%/scep_ca_adcs.load %D%/scep_ca_adcs.conf
examplesdir = $(docdir)/conf/examples
dist_examples_DATA = %D%/examples/adcs.conf %D%/examples/cluster.conf \
	%D%/examples/ejbca.conf %D%/examples/intune.conf %D%/examples/jamf.conf \
	%D%/examples/local-ca-gateway.conf %D%/examples/replace-ndes.conf
