! Fortran's input and output in the folder that the first argument names: formatted, list-directed,
! unformatted, direct access, stream, internal, namelist, scratch, inquire; every result is printed.
program files
   use, intrinsic :: iso_fortran_env
   implicit none
   character(len=512) :: folder

   call get_command_argument(1, folder)
   call formatted
   call unformatted
   call direct
   call stream
   call namelists
   call others
   call errors
contains

   function path(name)
      character(len=*), intent(in) :: name
      character(len=:), allocatable :: path
      path = trim(folder)//'/'//name
   end function path

   subroutine formatted
      integer :: unit, i, back, lines, status
      real(real64) :: value, sum
      character(len=20) :: word
      logical :: flag

      open (newunit=unit, file=path('formatted.txt'), status='new', action='write')
      do i = 1, 2000
         write (unit, '(i8,1x,f14.6,1x,es15.7e3,1x,a,1x,l1)') i, i*0.125d0, 1d0/i, 'word', mod(i, 2) == 0
      end do
      close (unit)
      open (newunit=unit, file=path('formatted.txt'), status='old', action='read')
      lines = 0
      sum = 0
      do
         read (unit, '(i8,1x,f14.6,1x,15x,1x,a4,1x,l1)', iostat=status) back, value, word, flag
         if (status /= 0) exit
         lines = lines + 1
         sum = sum + value
         if (flag .neqv. mod(back, 2) == 0) print *, 'wrong flag in line', back
      end do
      print '(a,i6,a,f14.3,a,l2)', 'formatted:', lines, ' lines,', sum, ' end of file:', is_iostat_end(status)
      rewind (unit)
      read (unit, *) back, value
      backspace (unit)
      read (unit, *) back, value
      print '(a,i3,f8.3)', 'after backspace:', back, value
      close (unit)
      open (newunit=unit, file=path('formatted.txt'), status='old', position='append')
      write (unit, '(*(g0,:,","))') 1, 2.5, 'three', .true., (4d0, 5d0)
      close (unit)
      open (newunit=unit, file=path('list.txt'))
      write (unit, *) 1.5, 2, 'a string', .false., (1.0, -1.0)
      write (unit, '(dp,b10.8,o8.4,z8.4,en14.3,sp,f8.2)') 37, 37, 48879, 12345.678, 3.5
      rewind (unit)
      read (unit, '(a)') word
      print '(a)', 'list: '//trim(word)
      close (unit)
   end subroutine formatted

   subroutine unformatted
      integer :: unit, i, status, records
      real(real64), allocatable :: numbers(:), back(:)
      logical :: same

      open (newunit=unit, file=path('unformatted'), form='unformatted', status='replace')
      do i = 1, 50
         allocate (numbers(i*i))
         numbers = [(sqrt(real(records, real64)), records=1, i*i)]
         write (unit) i, numbers
         deallocate (numbers)
      end do
      rewind (unit)
      same = .true.
      records = 0
      do
         read (unit, iostat=status) i
         if (status /= 0) exit
         backspace (unit)
         allocate (back(i*i))
         read (unit) i, back
         same = same .and. abs(back(i*i) - i) < 1d-12
         records = records + 1
         deallocate (back)
      end do
      print '(a,i4,l2)', 'unformatted:', records, same
      close (unit)
      open (newunit=unit, file=path('swapped'), form='unformatted', convert='big_endian')
      write (unit) 1, 2, 3
      close (unit)
   end subroutine unformatted

   subroutine direct
      integer :: unit, i, value(16), length
      logical :: same

      inquire (iolength=length) value
      open (newunit=unit, file=path('direct'), access='direct', recl=length, form='unformatted')
      do i = 300, 1, -1
         value = i
         value(16) = i*i
         write (unit, rec=i) value
      end do
      do i = 1, 300, 7
         read (unit, rec=i) value
         value(1) = -1
         write (unit, rec=i) value
      end do
      same = .true.
      do i = 300, 1, -3
         read (unit, rec=i) value
         same = same .and. value(16) == i*i .and. value(2) == i
      end do
      read (unit, rec=301, iostat=i) value
      print '(a,l2,l2)', 'direct:', same, i /= 0
      close (unit)
   end subroutine direct

   subroutine stream
      integer :: unit, i, size
      integer(int8) :: bytes(1000)
      integer(int64) :: where
      character(len=5) :: text

      open (newunit=unit, file=path('stream'), access='stream', form='unformatted', status='replace')
      bytes = int(mod([(i, i=1, 1000)], 100), int8)
      write (unit) bytes
      write (unit, pos=501) 'hello'
      inquire (unit=unit, pos=where, size=size)
      print '(a,i6,i6)', 'stream:', where, size
      read (unit, pos=501) text
      write (unit, pos=100001) 'a hole before'
      flush (unit)
      inquire (unit=unit, size=size)
      print '(a,a,i8)', 'stream: ', text, size
      close (unit)
      open (newunit=unit, file=path('text-stream'), access='stream', form='formatted')
      write (unit, '(a)') 'one', 'two'
      write (unit, '(a)', advance='no') 'unfinished'
      close (unit)
   end subroutine stream

   subroutine namelists
      integer :: unit, count
      real :: ratio
      character(len=10) :: name
      integer, dimension(5) :: list
      logical :: on
      namelist /settings/ count, ratio, name, list, on

      count = 3
      ratio = 0.5
      name = 'first'
      list = [1, 2, 3, 4, 5]
      on = .true.
      open (newunit=unit, file=path('settings.nml'))
      write (unit, nml=settings)
      rewind (unit)
      count = 0
      list = 0
      name = ''
      read (unit, nml=settings)
      close (unit)
      print '(a,i3,f5.2,1x,a,5i3,l2)', 'namelist:', count, ratio, name, list, on
      open (newunit=unit, file=path('by-hand.nml'))
      write (unit, '(a)') '&settings count=42, list(2:3)=20,30 name="other" ! a comment', ' on=F /'
      rewind (unit)
      read (unit, nml=settings)
      close (unit)
      print '(a,i3,f5.2,1x,a,5i3,l2)', 'namelist:', count, ratio, name, list, on
   end subroutine namelists

   subroutine others
      integer :: unit, other, number
      character(len=80) :: line
      logical :: there
      character(len=20) :: access, form

      write (line, '(3i5)') 1, 22, 333
      read (line, *) unit, other, number
      print '(a,i5)', 'internal:', number
      open (newunit=unit, status='scratch')
      write (unit, *) 'scratch'
      rewind (unit)
      read (unit, '(a)') line
      print '(a)', 'scratch:'//trim(line)
      close (unit)
      inquire (file=path('formatted.txt'), exist=there)
      print '(a,l2)', 'exists:', there
      open (newunit=unit, file=path('gone'))
      inquire (unit=unit, access=access, form=form, opened=there)
      print '(a,l2)', 'inquire: '//trim(access)//' '//trim(form), there
      close (unit, status='delete')
      inquire (file=path('gone'), exist=there)
      print '(a,l2)', 'deleted:', .not. there
      write (error_unit, '(a)') 'to standard error'
      write (output_unit, '(a)', advance='no') 'half a line, '
      write (output_unit, '(a)') 'the other half'
      do
         read (input_unit, '(a)', iostat=number) line
         if (number /= 0) exit
         if (line(1:1) == '#') print '(a)', 'input: '//trim(line)
      end do
   end subroutine others

   subroutine errors
      integer :: unit, status
      character(len=120) :: message
      real :: value

      open (newunit=unit, file=path('not/there'), status='old', iostat=status, iomsg=message)
      print '(a,l2)', 'no folder:', status /= 0
      print '(a)', trim(message(index(message, ':', back=.true.):))
      open (newunit=unit, file=path('formatted.txt'), status='new', iostat=status)
      print '(a,l2)', 'is there already:', status /= 0
      open (newunit=unit, file=path('list.txt'), action='read')
      write (unit, *, iostat=status) 1
      print '(a,l2)', 'read only:', status /= 0
      close (unit)
      message = 'no number'
      read (message, *, iostat=status) value
      print '(a,i6)', 'no number:', status
      call execute_command_line('true', exitstat=unit, cmdstat=status)
      write (error_unit, '(a,i4)') 'a command:', status
   end subroutine errors
end program files
